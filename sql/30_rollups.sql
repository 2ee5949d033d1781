-- unfolded_requests, fold_requests, rebuild_rollups: what is added up, and that folding changes
-- nothing of what is seen. The worker folds too, whenever it likes: what is looked at is the sum of
-- rollup and tail, or rows that are not committed yet.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
SET timezone = 'UTC';

CREATE TEMP VIEW tracked AS
SELECT to_char(bucket, 'YYYY-MM-DD HH24:MI') AS bucket, sum(requests) AS requests,
       sum(with_key) AS with_key, sum(anonymous) AS anonymous,
       sum(user_without_key) AS user_without_key
FROM keypool.tracking_parts GROUP BY 1 HAVING sum(requests) <> 0 ORDER BY 1;
CREATE TEMP VIEW used AS
SELECT day, provider, model, user_id, organization_id AS organization, api_key_id AS key,
       key_source, is_anonymous AS anonymous, sum(requests) AS requests, sum(errors) AS errors,
       sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cached_tokens) AS cached,
       sum(cost_nano) AS cost_nano, sum(unpriced) AS unpriced, sum(timed) AS timed,
       sum(time_ms) AS time_ms
FROM keypool.usage_parts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(requests) <> 0
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8;
-- Everything, with other transactions of the server coming and going.
CREATE FUNCTION pg_temp.fold() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WHILE EXISTS (SELECT FROM keypool.unfolded_requests())
     OR EXISTS (SELECT FROM keypool.request_changes) LOOP
    PERFORM keypool.fold_requests();
  END LOOP;
END $$;
\pset null '~'
\pset tuples_only off

-- Nothing yet.
TABLE tracked;
SELECT keypool.fold_requests();

-- Every quarter of an hour and every dimension is a group; NULL and '' are two.
INSERT INTO keypool.chat_completion_requests
  (created_at, provider, model, user_id, organization_id, api_key_id, key_source, is_anonymous,
   input_tokens, output_tokens, cached_tokens, cost_usd, processing_time_ms)
VALUES
  ('2016-01-05 10:00',           'openai', 'gpt-4o', 'u1', NULL, 1, 'user', false, 10, 2, 1, 0.5, 80),
  ('2016-01-05 10:14:59.999999', 'openai', 'gpt-4o', 'u1', NULL, 1, 'user', false, 20, 4, 2, 0.25, 70),
  ('2016-01-05 10:15',           'openai', 'gpt-4o', 'u1', NULL, 1, 'user', false, 1, 1, 1, NULL, NULL),
  ('2016-01-05 23:59:59.999999', 'openai', 'gpt-4o', 'u1', 'acme', 1, 'user', false, 1, 1, 1, 0, 0),
  ('2016-01-06 00:00',           'openai', 'gpt-4o', 'u1', NULL, 1, 'user', false, 1, 1, 1, 0, 0),
  ('2016-01-05 10:00',           'openai', 'gpt-4o', 'u2', NULL, NULL, NULL, false, 1, 0, 0, NULL, 3),
  ('2016-01-05 10:00',           'openai', '',       NULL, NULL, NULL, NULL, false, 1, 0, 0, NULL, 3),
  ('2016-01-05 10:00',           'openai', NULL,     NULL, NULL, NULL, NULL, true, 1, 0, 0, NULL, 3),
  ('1999-12-31 23:59:59.999999', 'openai', NULL,     NULL, NULL, NULL, NULL, true, 1, 0, 0, NULL, 3);
TABLE tracked;
TABLE used;

-- What is an error.
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, model, status, http_status, error_type)
VALUES ('p', 'no', 'completed', 399, NULL), ('p', 'no', 'cancelled', NULL, NULL),
       ('p', 'yes', 'failed', NULL, NULL), ('p', 'yes', 'error', NULL, NULL),
       ('p', 'yes', 'completed', 400, NULL), ('p', 'yes', 'completed', NULL, '');
SELECT model, sum(errors) AS errors, sum(requests) AS requests FROM keypool.unfolded_requests()
WHERE provider = 'p' GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- Money is exact to the nano-dollar.
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, model, cost_usd)
SELECT 'p', n, n::numeric
FROM unnest(ARRAY['0', '0.000000001', '0.00000001', '0.000009999', '0.0001', '0.123456789', '1',
                  '9999', '10000', '10000.000000001', '99999.999999999', '100000',
                  '123456.987654321', '999999.999999999']) AS n;
SELECT model AS dollars, cost_nano FROM keypool.unfolded_requests()
WHERE provider = 'p' ORDER BY cost_nano;
INSERT INTO keypool.chat_completion_requests (provider, model, cost_usd)
SELECT 'p', 'q', (random() * 10 ^ (random() * 9 - 4))::numeric(18, 9) FROM generate_series(1, 2000);
SELECT count(*) AS wrong FROM (
  SELECT sum(cost_nano) AS cost FROM keypool.unfolded_requests() WHERE provider = 'p'
  EXCEPT SELECT sum(cost_usd) * 1e9 FROM keypool.chat_completion_requests WHERE provider = 'p') AS w;
ROLLBACK;

-- A day of more than 9.2 billion dollars is an error in the log's rows, which can be corrected.
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, cost_usd)
SELECT 'p', 999999 FROM generate_series(1, 9300);
SELECT pg_temp.failure('SELECT count(*) FROM keypool.unfolded_requests()');
UPDATE keypool.chat_completion_requests SET cost_usd = 1 WHERE provider = 'p';
SELECT sum(cost_nano) FROM keypool.unfolded_requests() WHERE provider = 'p';
ROLLBACK;

-- More groups than are held at once come in parts, and none is lost; nor when they are folded.
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, user_id)
SELECT 'p', n % 66000 FROM generate_series(1, 66100) AS n;
SELECT count(*) > 66000 AS in_parts, count(DISTINCT user_id) AS groups, sum(requests) AS requests
FROM keypool.unfolded_requests() WHERE provider = 'p';
COMMIT;
SELECT pg_temp.fold();
SELECT requests, count(*) AS users FROM keypool.usage_rollup WHERE provider = 'p' GROUP BY 1
ORDER BY 1;
DELETE FROM keypool.chat_completion_requests WHERE provider = 'p';
SELECT pg_temp.fold();
SELECT count(*) FROM keypool.usage_rollup WHERE provider = 'p';

-- Names that an index of the rollups could not hold together are refused; other texts are no matter.
SELECT pg_temp.failure($$ INSERT INTO keypool.chat_completion_requests (provider, model)
                          VALUES ('p', repeat('m', 256)) $$);
BEGIN;
INSERT INTO keypool.chat_completion_requests
  (provider, model, user_id, organization_id, key_source)
SELECT left(n, 255), left(n, 255), left(n, 255), left(n, 255), left(n, 255)
FROM (SELECT string_agg(md5(i::text), '') AS n FROM generate_series(1, 10) AS i) AS noise;
SELECT sum(requests) FROM keypool.unfolded_requests() WHERE length(user_id) = 255;
INSERT INTO keypool.usage_rollup
SELECT (bucket AT TIME ZONE 'UTC')::date, provider, model, user_id, organization_id, api_key_id,
       key_source, is_anonymous, requests, errors, input_tokens, output_tokens, cached_tokens,
       cost_nano, unpriced, timed, time_ms
FROM keypool.unfolded_requests() WHERE length(user_id) = 255;
ROLLBACK;
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, model, error_message)
SELECT 'p', 'm', string_agg(sha256(n::text::bytea)::text, '') FROM generate_series(1, 1000) AS n;
SELECT provider, model, requests FROM keypool.unfolded_requests() WHERE provider = 'p';
ROLLBACK;

-- Folding changes nothing of what is seen.
CREATE TEMP TABLE before AS TABLE used;
SELECT pg_temp.fold();
SELECT keypool.fold_requests() AS groups_left;
(TABLE used EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE used);
SELECT bucket AT TIME ZONE 'UTC', requests, with_key, anonymous, user_without_key,
       neither_user_nor_key
FROM keypool.tracking_rollup ORDER BY 1;

-- Corrections of what is folded, before and after they are folded themselves.
UPDATE keypool.chat_completion_requests SET created_at = created_at + interval '1 day'
WHERE created_at >= '2016-01-06';
UPDATE keypool.chat_completion_requests SET api_key_id = 9, lookup_status = 'found'
WHERE user_id = 'u2';
UPDATE keypool.chat_completion_requests SET cost_usd = 0.000000003 WHERE cost_usd = 0.5;
UPDATE keypool.chat_completion_requests SET metadata = '{"seen": true}';
DELETE FROM keypool.chat_completion_requests WHERE created_at < '2000-01-01' OR model = '';
TABLE tracked;
TABLE used;
DROP TABLE before;
CREATE TEMP TABLE before AS TABLE used;
SELECT pg_temp.fold();
(TABLE used EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE used);
SELECT count(*) AS empty FROM keypool.usage_rollup WHERE requests = 0;
SELECT count(*) AS empty FROM keypool.tracking_rollup WHERE requests = 0;
SELECT count(*) AS changes FROM keypool.request_changes;

-- A partition that was taken away by hand is repaired by hand.
CREATE TABLE keypool.by_hand PARTITION OF keypool.chat_completion_requests
  FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
INSERT INTO keypool.by_hand (created_at, provider) VALUES ('2001-05-01 12:00', 'by hand');
SELECT pg_temp.fold();
SELECT bucket, requests FROM tracked WHERE bucket < '2002';
ALTER TABLE keypool.chat_completion_requests DETACH PARTITION keypool.by_hand;
SELECT bucket, requests FROM tracked WHERE bucket < '2002';
SELECT keypool.rebuild_rollups();
SELECT bucket, requests FROM tracked WHERE bucket < '2002';
SELECT pg_temp.fold();
(TABLE used EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE used);

-- So is one with columns in another order and rows of its own.
CREATE TABLE keypool.odd (status text COLLATE "C" NOT NULL, is_anonymous boolean NOT NULL,
                          cost_usd numeric(18, 9));
DO $$
DECLARE
  c record;
BEGIN
  FOR c IN SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull,
                  CASE WHEN attcollation = 'pg_catalog."C"'::regcollation THEN 'COLLATE "C"' END
                    AS collation
           FROM pg_attribute
           WHERE attrelid = 'keypool.chat_completion_requests'::regclass AND attnum > 0
             AND attname NOT IN ('status', 'is_anonymous', 'cost_usd')
           ORDER BY attnum DESC
  LOOP
    EXECUTE format('ALTER TABLE keypool.odd ADD COLUMN %I %s %s %s', c.attname, c.type, c.collation,
                   CASE WHEN c.attnotnull THEN 'NOT NULL' END);
  END LOOP;
END $$;
INSERT INTO keypool.odd (id, created_at, xid, provider, is_anonymous, cost_usd, input_tokens,
                         output_tokens, cached_tokens, status, attempt, lookup_attempts)
VALUES (1, '2001-05-01 12:00', pg_current_xact_id(), 'odd', false, 2.5, 7, 8, 9, 'failed', 1, 0);
ALTER TABLE keypool.chat_completion_requests ATTACH PARTITION keypool.odd
  FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
SELECT keypool.rebuild_rollups();
SELECT day, provider, requests, errors, input, output, cached, cost_nano, timed FROM used
WHERE provider = 'odd';
SELECT pg_temp.fold();
SELECT day, provider, requests, errors, input, output, cached, cost_nano, timed FROM used
WHERE provider = 'odd';
DROP TABLE keypool.odd, keypool.by_hand;
SELECT keypool.rebuild_rollups();

-- The state without which nobody knows what is folded.
BEGIN;
DELETE FROM keypool.rollup_state;
SELECT pg_temp.failure('SELECT count(*) FROM keypool.unfolded_requests()');
SELECT keypool.rebuild_rollups();
(TABLE used EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE used);
ROLLBACK;

-- TRUNCATE.
TRUNCATE keypool.chat_completion_requests;
TABLE tracked;
TABLE used;
