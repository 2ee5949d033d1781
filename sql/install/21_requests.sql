-- The request log, and what is kept so that nobody ever has to scan it.
--
-- A row counts as folded when its xid lies below rollup_state.folded_below: the rollups then hold
-- it. What lies above is the tail, which the views add. docs/exactness.md has the proof.

CREATE SEQUENCE keypool.chat_completion_requests_id_seq;

-- What a row must fulfil is checked by its trigger: a CHECK is parsed anew for every INSERT, which
-- made the five that stood here cost a sixth of it.
CREATE TABLE keypool.chat_completion_requests (
  id                  bigint NOT NULL
                      DEFAULT nextval('keypool.chat_completion_requests_id_seq'),
  created_at          timestamptz NOT NULL DEFAULT now(),
  -- The transaction that wrote this version of the row; triggers keep it true.
  xid                 xid8 NOT NULL DEFAULT pg_current_xact_id(),
  provider            text COLLATE "C",
  model               text COLLATE "C",
  user_id             text COLLATE "C",
  organization_id     text COLLATE "C",
  api_key_id          bigint,
  api_key_fingerprint bytea,
  key_source          text COLLATE "C",
  is_anonymous        boolean NOT NULL DEFAULT false,
  lease_id            bigint,
  input_tokens        int NOT NULL DEFAULT 0,
  output_tokens       int NOT NULL DEFAULT 0,
  cached_tokens       int NOT NULL DEFAULT 0,
  cost_usd            numeric(18, 9),
  input_cost_usd      numeric(18, 9),
  output_cost_usd     numeric(18, 9),
  pricing_source      text COLLATE "C",
  processing_time_ms  int,
  status              text COLLATE "C" NOT NULL DEFAULT 'completed',
  http_status         int,
  error_type          text COLLATE "C",
  error_message       text,
  request_id          text COLLATE "C",
  attempt             int NOT NULL DEFAULT 1,
  session_id          text COLLATE "C",
  trace_id            text COLLATE "C",
  lookup_attempts     smallint NOT NULL DEFAULT 0,
  lookup_status       text COLLATE "C",
  metadata            jsonb,
  CONSTRAINT chat_completion_requests_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

-- The tail; rising numbers only, so that an insert touches but the last page.
CREATE INDEX chat_completion_requests_xid ON keypool.chat_completion_requests (xid);
-- Of all rows: a predicate is planned anew for every INSERT, which costs more than the entries of
-- those few that name no user or key.
CREATE INDEX chat_completion_requests_user
  ON keypool.chat_completion_requests (user_id, created_at);
CREATE INDEX chat_completion_requests_key
  ON keypool.chat_completion_requests (api_key_id, created_at);
CREATE INDEX chat_completion_requests_time
  ON keypool.chat_completion_requests USING brin (created_at);
-- Rows whose key is still being looked for.
CREATE INDEX chat_completion_requests_lookup
  ON keypool.chat_completion_requests (api_key_fingerprint)
  WHERE api_key_id IS NULL AND api_key_fingerprint IS NOT NULL AND lookup_status IS NULL;

-- Whatever has no day of its own. A repeat is found within a partition by an index that each has
-- for itself: a unique index of the whole would need the partition key.
CREATE TABLE keypool.chat_completion_requests_default
  PARTITION OF keypool.chat_completion_requests DEFAULT;
CREATE UNIQUE INDEX chat_completion_requests_default_request
  ON keypool.chat_completion_requests_default (request_id, attempt) WHERE request_id IS NOT NULL;
-- Which days it has rows of, and which are the oldest.
CREATE INDEX chat_completion_requests_default_moment
  ON keypool.chat_completion_requests_default (created_at);

-- Row versions that an UPDATE or DELETE ended, until they are folded: xid ended what row_xid wrote.
CREATE TABLE keypool.request_changes (
  xid                xid8 NOT NULL DEFAULT pg_current_xact_id(),
  row_xid            xid8 NOT NULL,
  created_at         timestamptz NOT NULL,
  provider           text COLLATE "C",
  model              text COLLATE "C",
  user_id            text COLLATE "C",
  organization_id    text COLLATE "C",
  api_key_id         bigint,
  key_source         text COLLATE "C",
  is_anonymous       boolean NOT NULL,
  failed             boolean NOT NULL,
  input_tokens       int NOT NULL,
  output_tokens      int NOT NULL,
  cached_tokens      int NOT NULL,
  cost_usd           numeric(18, 9),
  processing_time_ms int
);
CREATE INDEX request_changes_xid ON keypool.request_changes (xid);

-- Up to where the rollups reach. One row.
CREATE TABLE keypool.rollup_state (
  one          boolean PRIMARY KEY DEFAULT true CHECK (one),
  folded_below xid8 NOT NULL DEFAULT '0',
  folded_at    timestamptz
);
INSERT INTO keypool.rollup_state DEFAULT VALUES;

-- A quarter of an hour: every time zone's hours and days are made of these.
CREATE TABLE keypool.tracking_rollup (
  bucket                timestamptz PRIMARY KEY,
  requests              bigint NOT NULL,
  with_key              bigint NOT NULL,
  anonymous             bigint NOT NULL,
  user_without_key      bigint NOT NULL,
  neither_user_nor_key  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE keypool.usage_rollup (
  day             date NOT NULL,
  provider        text COLLATE "C",
  model           text COLLATE "C",
  user_id         text COLLATE "C",
  organization_id text COLLATE "C",
  api_key_id      bigint,
  key_source      text COLLATE "C",
  is_anonymous    boolean NOT NULL,
  requests        bigint NOT NULL,
  errors          bigint NOT NULL,
  input_tokens    bigint NOT NULL,
  output_tokens   bigint NOT NULL,
  cached_tokens   bigint NOT NULL,
  cost_nano       bigint NOT NULL,
  unpriced        bigint NOT NULL,
  timed           bigint NOT NULL,
  time_ms         bigint NOT NULL,
  -- What tells most rows apart comes first: folding spends its time comparing these.
  CONSTRAINT usage_rollup_dimensions UNIQUE NULLS NOT DISTINCT
    (day, user_id, api_key_id, model, provider, organization_id, key_source, is_anonymous)
) WITH (fillfactor = 70);

-- Dollars per million tokens. The row with the latest valid_from that is not after the request
-- prices it.
CREATE TABLE keypool.model_prices (
  provider          text COLLATE "C" NOT NULL,
  model             text COLLATE "C" NOT NULL CHECK (octet_length(model) BETWEEN 1 AND 255),
  input_cost        numeric(18, 9) NOT NULL CHECK (input_cost >= 0),
  output_cost       numeric(18, 9) NOT NULL CHECK (output_cost >= 0),
  cached_input_cost numeric(18, 9) CHECK (cached_input_cost >= 0),
  valid_from        timestamptz NOT NULL DEFAULT '-infinity',
  source            text,
  builtin           bool NOT NULL DEFAULT false,
  PRIMARY KEY (provider, model, valid_from)
);

SELECT pg_catalog.pg_extension_config_dump('keypool.chat_completion_requests_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.model_prices', 'WHERE NOT builtin');
