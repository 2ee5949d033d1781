-- The request log's partitions: what the functions that make them answer, where rows go, and how a
-- row comes back from a dump.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- Days are those of UTC, as the partitions' names are.
SET timezone = 'Pacific/Kiritimati';
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql AS
$$ SELECT (now() AT TIME ZONE 'UTC')::date $$;
-- Where the rows of a day are: in its partition, or in the default one.
CREATE FUNCTION pg_temp.home(ahead int) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT CASE r.tableoid::regclass::text
         WHEN 'keypool.' || keypool.request_partition_name(pg_temp.today() + ahead) THEN 'own'
         WHEN 'keypool.chat_completion_requests_default' THEN 'default'
         ELSE r.tableoid::regclass::text END
  FROM keypool.chat_completion_requests r
  WHERE (r.created_at AT TIME ZONE 'UTC')::date = pg_temp.today() + ahead ORDER BY r.id
$$;

-- In one transaction, so that the worker does not do it first.
BEGIN;

-- From yesterday to a week ahead they are there.
SELECT day - pg_temp.today() FROM keypool.request_partitions() ORDER BY day;
SELECT count(*) FROM keypool.missing_request_days();
SELECT keypool.make_request_partitions();
SELECT d - pg_temp.today() FROM keypool.missing_request_days(ahead => 9) AS d;
SELECT keypool.make_request_partitions(ahead => 9);

-- A row without a partition of its day is kept, and moves when its day gets one.
INSERT INTO keypool.chat_completion_requests (created_at, provider)
SELECT keypool.start_of_day(pg_temp.today() + n) + '1 microsecond', 'openai'
FROM (VALUES (0), (20), (-20), (-400), (401)) AS days (n);
INSERT INTO keypool.chat_completion_requests (created_at) VALUES ('0001-01-01'), ('5874-01-01');
SELECT n, pg_temp.home(n) FROM (VALUES (0), (20), (-20), (-400), (401)) AS days (n);
SELECT d - pg_temp.today() FROM keypool.missing_request_days() AS d;
SELECT keypool.make_request_partition(pg_temp.today() + 20);
SELECT keypool.make_request_partition(pg_temp.today() + 20);
SELECT keypool.make_request_partition(pg_temp.today() + 401);
SELECT keypool.make_request_partition(NULL) IS NULL;
SELECT keypool.make_request_partitions();
SELECT n, pg_temp.home(n) FROM (VALUES (0), (20), (-20), (-400), (401)) AS days (n);
SELECT sum(requests) FROM (SELECT requests FROM keypool.usage_rollup
  UNION ALL SELECT requests FROM keypool.unfolded_requests()) AS parts;

-- Before an import: four at a time.
SELECT keypool.ensure_request_partitions(pg_temp.today() - 10, pg_temp.today() - 3);
SELECT keypool.ensure_request_partitions(pg_temp.today() - 10, pg_temp.today() - 3);
SELECT keypool.ensure_request_partitions(pg_temp.today() - 10, pg_temp.today() - 3);
SELECT keypool.ensure_request_partitions('1066-10-14', '1066-10-14');
SELECT pg_temp.failure($$ SELECT keypool.ensure_request_partitions('2024-01-01', '2025-02-04') $$);
SELECT keypool.ensure_request_partitions(pg_temp.today(), pg_temp.today() - 1);

-- Every one is a member of the extension, has the log's indexes and triggers and one for repeats.
SELECT count(*) - count(d.objid) AS strangers
FROM keypool.request_partitions() p
LEFT JOIN pg_depend d ON d.objid = p.partition AND d.classid = 'pg_class'::regclass
                     AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
SELECT DISTINCT
  (SELECT count(*) FROM pg_index i WHERE i.indrelid = p.partition)
    - (SELECT count(*) FROM pg_index i
       WHERE i.indrelid = 'keypool.chat_completion_requests'::regclass)
    AS indexes_of_their_own,
  (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = p.partition AND t.tgparentid <> 0
                                       AND t.tgenabled = 'A') AS triggers
FROM keypool.request_partitions() p;
SELECT pg_temp.failure($$ INSERT INTO keypool.chat_completion_requests (request_id)
                          SELECT 'twice' FROM generate_series(1, 2) $$) LIKE '23505 %' AS refused;

-- Without keypool.request_retention nothing is dropped.
SELECT keypool.first_kept_day();
SELECT keypool.drop_request_partitions();

-- What a restore does: the row goes to the log, with its id, for its day, and nothing stays behind.
INSERT INTO keypool.request_dump (id, created_at, provider, is_anonymous, input_tokens,
  output_tokens, cached_tokens, status, attempt, lookup_attempts)
SELECT -1, keypool.start_of_day(pg_temp.today() - 77), 'groq', false, 1, 2, 0, 'completed', 1, 0;
SELECT count(*) FROM keypool.request_dump;
SELECT pg_temp.home(-77);
SELECT id, provider, input_tokens, output_tokens, xid = pg_current_xact_id() AS ours
FROM keypool.chat_completion_requests WHERE provider = 'groq';

COMMIT;

SET client_min_messages = warning;
DROP EXTENSION pg_keypool;
SELECT count(*) FROM pg_class WHERE relname ~ '^(chat_completion|dropped)_requests';
