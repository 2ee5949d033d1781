-- Copying requests out of another table: how far each import is, and what it did not take.

CREATE TABLE keypool.request_imports (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- By oid, so that a table that is renamed is not imported twice. NULL: it was dropped.
  source         regclass UNIQUE,
  source_name    text NOT NULL,
  importer       name NOT NULL,
  columns        jsonb NOT NULL DEFAULT '{}',
  follow         bool NOT NULL DEFAULT false,
  state          text NOT NULL CHECK (state IN ('running', 'done', 'stopped', 'failed')),
  -- Rows are copied in the order of their key, from the one after `reached` to `up_to`.
  key_columns    text[],
  reached        text[],
  up_to          text[],
  -- What the trigger on the source runs for each new row, with these columns of it as parameters.
  row_statements text[],
  row_columns    text[],
  row_version    int NOT NULL DEFAULT 0,
  days           date[],
  rows_total     bigint,
  rows_read      bigint NOT NULL DEFAULT 0,
  rows_copied    bigint NOT NULL DEFAULT 0,
  rows_refused   bigint NOT NULL DEFAULT 0,
  attempts       int NOT NULL DEFAULT 0,
  error          text,
  started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at    timestamptz
) WITH (fillfactor = 50);  -- rewritten with each batch: room for heap-only updates

-- Rows of a source that could not be copied. No foreign key: whoever adds one must not wait for a
-- batch that is just updating its import.
CREATE TABLE keypool.request_import_refusals (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  import_id  bigint NOT NULL,
  source_key text[] COLLATE "C",
  reason     text NOT NULL,
  followed   bool NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX request_import_refusals_import ON keypool.request_import_refusals (import_id);

-- Rows that the trigger has copied although the import has yet to pass their keys.
CREATE TABLE keypool.request_import_notes (
  import_id  bigint NOT NULL,
  source_key text[] COLLATE "C" NOT NULL,
  PRIMARY KEY (import_id, source_key)
);

SELECT pg_catalog.pg_extension_config_dump('keypool.request_imports', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.request_imports_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.request_import_refusals', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.request_import_refusals_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.request_import_notes', '');
