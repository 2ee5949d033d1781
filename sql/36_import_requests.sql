-- import_requests: what becomes of the columns of another table, of its rows, and of mappings that
-- make no sense. Temporary tables are imported in the caller's transaction; tests/tap/074_import.t
-- is about the worker. The days are so long ago that none ever has a partition of its own.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set VERBOSITY default

-- What the log has of an import, without what differs from run to run.
CREATE FUNCTION pg_temp.logged() RETURNS TABLE (line text) LANGUAGE sql AS $$
  SELECT jsonb_strip_nulls(to_jsonb(r) - '{id,xid,lookup_attempts,attempt,created_at}'::text[]
                           || jsonb_build_object('at', r.created_at AT TIME ZONE 'UTC'))::text
  FROM keypool.chat_completion_requests r ORDER BY r.created_at, r.id
$$;
CREATE FUNCTION pg_temp.forget() RETURNS void LANGUAGE sql AS $$
  DELETE FROM keypool.chat_completion_requests;
  DELETE FROM keypool.request_imports;
  DELETE FROM keypool.request_import_refusals;
$$;

-- By name, as a gateway has it: ids of its own keys, no is_anonymous, columns besides.
CREATE TEMP TABLE gateway (
  id bigint PRIMARY KEY, request_id text, user_id bigint, api_key_id bigint, model text,
  input_tokens int, output_tokens int, total_tokens int, processing_time_ms int, status text,
  error_message text, created_at timestamptz, region text);
INSERT INTO gateway VALUES
  (1, 'r1', 7, 17, 'gpt-4o', 10, 20, 30, 400, 'completed', NULL, '2020-03-01 12:00+00', 'eu'),
  (2, 'r2', 7, NULL, 'gpt-4o', NULL, NULL, NULL, NULL, 'failed', 'boom', '2020-03-01 12:01+00',
   'eu'),
  (3, NULL, NULL, NULL, 'gpt-4o', 1, 2, 3, 4, NULL, NULL, '2020-03-01 12:02+00', 'us');
SELECT import_requests('gateway');
SELECT * FROM pg_temp.logged();
SELECT source, state, rows_total, rows_read, rows_copied, rows_refused, percent, error
FROM keypool.import_progress;
-- Once more: what is new by its key, with the same columns.
SELECT import_requests('gateway');
INSERT INTO gateway (id, request_id, created_at) VALUES (4, 'r4', '2020-03-01 12:03+00');
SELECT import_requests('gateway');
SELECT count(*) FROM keypool.chat_completion_requests;
SELECT pg_temp.forget();

-- Columns by other names, constants, translations, none, and what else is to be kept.
SELECT import_requests('gateway', '{
  "provider": {"value": "Claude"}, "error_type": "error_message", "error_message": null,
  "status": {"map": {"completed": "ok"}}, "organization_id": "region", "user_id": null,
  "api_key_id": null, "metadata": {"columns": ["region", "total_tokens"]}}');
SELECT * FROM pg_temp.logged();
SELECT pg_temp.forget();

-- Types: what can be read as what it has to be.
CREATE DOMAIN pg_temp.tokens AS numeric CHECK (VALUE <> 13);
CREATE TYPE pg_temp.outcome AS ENUM ('completed', 'failed');
CREATE TEMP TABLE odd (
  n smallint PRIMARY KEY, "User Id" uuid, api_key_id uuid, model varchar(20), provider name,
  input_tokens pg_temp.tokens, output_tokens float8, cached_tokens text, cost_usd float4,
  http_status smallint, status pg_temp.outcome, created_at timestamp, is_anonymous int,
  metadata text, session_id int[], trace_id inet);
INSERT INTO odd VALUES
  (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'm', 'OpenAI',
   1.6, 2.5, ' 3 ', 0.25, 200, 'completed', '2020-03-01 12:00', 0, '{"a": 1}', '{1,2}', '::1'),
  (2, NULL, NULL, '', 'none of ours', NULL, 'NaN', NULL, NULL, 500, 'failed',
   '2020-03-01 13:00', NULL, NULL, NULL, NULL),
  (3, NULL, NULL, NULL, NULL, 1, 1, 'many', NULL, NULL, NULL, '2020-03-01 14:00', 0, NULL, NULL,
   NULL),
  (4, NULL, NULL, NULL, NULL, 1, 1, 1, NULL, NULL, NULL, '2020-03-01 15:00', 0, '{"a"', NULL, NULL),
  (5, NULL, NULL, NULL, NULL, 1, 1, 1, NULL, NULL, NULL, '2020-03-01 16:00', 1, NULL, NULL, NULL),
  (6, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL, NULL, NULL, 1, 1, 1, NULL, NULL, NULL,
   '2020-03-01 17:00', 1, NULL, NULL, NULL);
SET timezone = 'Asia/Tokyo';
SELECT import_requests('odd', '{"user_id": "User Id"}');
RESET timezone;
SELECT * FROM pg_temp.logged();
SELECT source_key, reason FROM keypool.request_import_refusals ORDER BY source_key;
-- The same unknown key is the same again.
SELECT count(DISTINCT api_key_id) FROM keypool.chat_completion_requests WHERE api_key_id < 0;
SELECT pg_temp.forget();

-- Rows that cannot be: each is named, and none stops another.
CREATE TEMP TABLE bad (id int PRIMARY KEY, created_at timestamptz, input_tokens bigint,
                       cost_usd numeric, processing_time_ms bigint, request_id text, attempt int,
                       is_anonymous bool, user_id text);
INSERT INTO bad
SELECT n, '2020-03-01 12:00+00', 1, 1, 1, 'r' || n, 1, NULL, 'u' FROM generate_series(1, 20) AS n;
UPDATE bad SET created_at = NULL WHERE id = 2;
UPDATE bad SET created_at = '-infinity' WHERE id = 3;
UPDATE bad SET input_tokens = -1 WHERE id = 4;
UPDATE bad SET input_tokens = 3000000000 WHERE id = 5;
UPDATE bad SET cost_usd = -0.01 WHERE id = 6;
UPDATE bad SET cost_usd = 'NaN' WHERE id = 7;
UPDATE bad SET cost_usd = 1e10 WHERE id = 8;
UPDATE bad SET processing_time_ms = -5 WHERE id = 9;
UPDATE bad SET request_id = 'r1' WHERE id = 10;
UPDATE bad SET is_anonymous = true WHERE id = 11;
-- Too long for an index, however well it is packed.
UPDATE bad SET user_id = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) AS n)
WHERE id = 12;
-- The same request, tried again, and on another day.
UPDATE bad SET request_id = 'r1', attempt = 2 WHERE id = 13;
UPDATE bad SET request_id = 'r1', created_at = '2020-03-02 12:00+00' WHERE id = 14;
SELECT import_requests('bad', '{"provider": {"value": "openai"}, "model": {"value": "gpt-4o"}}');
SELECT source_key, reason FROM keypool.request_import_refusals ORDER BY source_key[1]::int;
SELECT rows_read, rows_copied, rows_refused FROM keypool.import_progress;
SELECT count(*), count(DISTINCT request_id) FROM keypool.chat_completion_requests;
SELECT pg_temp.forget();

-- Keys. Ids of ours, when that is said; a translation; who is unknown is nobody's.
SELECT add_key('openai', pg_temp.key('key1'), user_id => 'u') AS ours \gset
CREATE TEMP TABLE used AS
SELECT n AS id, n % 4 AS api_key_id, timestamptz '2020-03-01 12:00+00' AS created_at
FROM generate_series(1, 8) AS n;
SELECT import_requests('used', '{"api_key_id": "api_key_id", "model": {"value": "m"}}');
SELECT api_key_id, key_source, provider, is_anonymous, count(*)
FROM keypool.chat_completion_requests GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT pg_temp.forget();
SELECT import_requests('used', format('{"api_key_id": {"map": {"3": %s}}}', :ours)::jsonb);
SELECT api_key_id, key_source, provider, count(*)
FROM keypool.chat_completion_requests GROUP BY 1, 2, 3 ORDER BY 1;
SELECT pg_temp.forget();
SELECT import_requests('used', format('{"api_key_id": {"value": %s}}', :ours)::jsonb);
SELECT DISTINCT api_key_id, key_source, provider FROM keypool.chat_completion_requests;
-- A table without a key is imported once.
SELECT pg_temp.failure($$ SELECT import_requests('used') $$);
SELECT pg_temp.forget();

-- Views and other tables without a key.
CREATE TEMP VIEW seen AS SELECT * FROM gateway WHERE id < 3;
SET client_min_messages = warning;
SELECT import_requests('seen');
CREATE TEMP TABLE parent (id int PRIMARY KEY, created_at timestamptz) PARTITION BY RANGE (id);
CREATE TEMP TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (10);
CREATE TEMP TABLE child2 PARTITION OF parent FOR VALUES FROM (10) TO (20);
INSERT INTO parent SELECT n, '2020-03-01' FROM generate_series(1, 19) AS n;
SELECT import_requests('parent');
CREATE TEMP TABLE empty (id int PRIMARY KEY, created_at timestamptz);
SELECT import_requests('empty');
INSERT INTO empty VALUES (1, '2020-03-01');
SELECT import_requests('empty');
SELECT count(*) FROM keypool.chat_completion_requests;

-- All or nothing, where it cannot be batch by batch.
BEGIN;
CREATE TABLE made (id int PRIMARY KEY, created_at timestamptz);
INSERT INTO made VALUES (1, '2020-03-01');
SELECT import_requests('made');
ROLLBACK;
SELECT count(*) FROM keypool.chat_completion_requests;
SELECT count(*) FROM keypool.import_progress WHERE source = 'made';

-- Mappings that make no sense.
SELECT pg_temp.forget();
SELECT pg_temp.failure($$ SELECT import_requests(NULL) $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '[]') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"id": "id"}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"model": "modell"}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"model": 3}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"model": {"values": 3}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"model": {"value": [3]}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"model": {"columns": ["id"]}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"metadata": {"columns": ["x"]}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"created_at": "id"}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"created_at": null}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"input_tokens": "created_at"}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"input_tokens": {"value": "x"}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway', '{"api_key_id": {"value": 99}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway',
                            '{"api_key_id": {"map": {"1": 99}}}') $$);
SELECT pg_temp.failure($$ SELECT import_requests('keypool.chat_completion_requests') $$);
SELECT pg_temp.failure($$ SELECT import_requests('keypool.chat_completion_requests_default') $$);
SELECT pg_temp.failure($$ SELECT import_requests('gateway_pkey') $$);
SELECT pg_temp.failure($$ SELECT import_requests('seen', follow => true) $$);
-- Names are quoted, whatever they are.
CREATE TEMP TABLE "t""; DROP TABLE gateway; --" (
  id int PRIMARY KEY, "c'""; x" text, "a, b" timestamptz);
INSERT INTO "t""; DROP TABLE gateway; --" VALUES (1, 'it', '2020-03-05');
SELECT import_requests('"t""; DROP TABLE gateway; --"',
                       '{"model": "c''\"; x", "created_at": "a, b",
                         "status": {"value": "''; DROP TABLE gateway; --"},
                         "metadata": {"columns": ["c''\"; x"]},
                         "trace_id": {"column": "c''\"; x", "map": {"it": "''\"$1%s"}}}');
SELECT model, status, trace_id, metadata FROM keypool.chat_completion_requests
WHERE created_at >= '2020-03-04';

-- Whoever asks needs his own rights to the table, and sees no more of it than these show.
CREATE ROLE regress_importer;
SELECT grant_keypool('regress_importer', 'admin');
CREATE TABLE theirs (id int PRIMARY KEY, created_at timestamptz, user_id text);
INSERT INTO theirs VALUES (1, '2020-03-06', 'mine'), (2, '2020-03-06', 'not mine');
SET ROLE regress_importer;
SELECT pg_temp.failure($$ SELECT import_requests('theirs') $$);
RESET ROLE;
GRANT SELECT (id, created_at) ON theirs TO regress_importer;
SET ROLE regress_importer;
SELECT pg_temp.failure($$ SELECT import_requests('theirs') $$);
RESET ROLE;
GRANT SELECT ON theirs TO regress_importer;
SET ROLE regress_importer;
SELECT pg_temp.failure($$ SELECT import_requests('theirs', follow => true) $$);
RESET ROLE;
ALTER TABLE theirs ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON theirs FOR SELECT USING (user_id = current_setting('my.reader', true));
SET my.reader = 'mine';
SET ROLE regress_importer;
SELECT import_requests('theirs');
RESET ROLE;
SELECT user_id FROM keypool.chat_completion_requests WHERE created_at = '2020-03-06';

-- Followed, all in one transaction.
CREATE TABLE followed (id int PRIMARY KEY, created_at timestamptz, request_id text, user_id text);
INSERT INTO followed VALUES (1, '2020-03-07', 'f1', 'u');
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL;
SELECT import_requests('followed', follow => true);
INSERT INTO followed VALUES (2, '2020-03-07', 'f2', 'u');
SAVEPOINT s;
INSERT INTO followed VALUES (3, '2020-03-07', 'f3', 'u');
ROLLBACK TO s;
COMMIT;
INSERT INTO followed SELECT n, '2020-03-07', 'f' || n, 'u' FROM generate_series(4, 6) AS n;
SELECT request_id FROM keypool.chat_completion_requests WHERE created_at = '2020-03-07' ORDER BY 1;
SELECT import_requests('followed', follow => true);
SELECT pg_temp.failure($$ INSERT INTO followed VALUES (6, '2020-03-07', 'f7', 'u') $$);
RESET client_min_messages;
INSERT INTO followed VALUES (7, NULL, 'f7', 'u');
INSERT INTO followed VALUES (8, '2020-03-07', 'f6', 'u');
SELECT source_key, reason, followed FROM keypool.request_import_refusals WHERE followed ORDER BY id;
DROP TRIGGER keypool_follow ON followed;
SELECT pg_temp.failure($$ SELECT import_requests('followed') $$);
SELECT keypool.stop_following('followed');
SELECT keypool.stop_following('followed');
INSERT INTO followed VALUES (9, '2020-03-07', 'f9', 'u');
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL;
SELECT import_requests('followed');
COMMIT;
SELECT pg_temp.failure($$ SELECT keypool.stop_following(NULL) $$);

DROP TABLE theirs, followed;
SELECT revoke_keypool('regress_importer');
DROP ROLE regress_importer;
