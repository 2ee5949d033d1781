-- What prometheus_metrics() says. Whether Prometheus agrees is tested in tests/tap/075_prometheus.t.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
CREATE FUNCTION pg_temp.lines(pattern text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT line FROM regexp_split_to_table(prometheus_metrics(), E'\n') AS line WHERE line ~ pattern
$$;
-- Copies of one key: nobody opens their secrets here.
CREATE FUNCTION pg_temp.more_keys(provider text, user_id text, of bigint) RETURNS bigint
LANGUAGE sql AS $$
  INSERT INTO keypool.api_keys (provider, name, user_id, envelope, fingerprint, hint)
  SELECT $1, 'copy ' || gen_random_uuid(), $2, envelope, sha256(gen_random_uuid()::text::bytea), hint
  FROM keypool.api_keys WHERE id = of
  RETURNING id
$$;

-- Every sample has a family, and every family a type, one help text and a name that fits its type.
SELECT add_key('openai', pg_temp.key('aaaa'), name => 'first', rate_limit => 100,
               daily_cost_limit => 5, expires_at => now() + interval '1 day') AS a \gset
SELECT count(pick_key('openai')) FROM generate_series(1, 3);
SELECT DISTINCT s.metric
FROM (SELECT * FROM keypool.tracking_metrics() UNION ALL SELECT * FROM keypool.key_count_metrics()
      UNION ALL SELECT * FROM keypool.key_metrics()
      UNION ALL SELECT * FROM keypool.provider_metrics()
      UNION ALL SELECT * FROM keypool.worker_metrics()) s
LEFT JOIN keypool.metric_families() f ON f.name = s.metric
WHERE f.name IS NULL;
SELECT f.name FROM keypool.metric_families() f
WHERE f.type NOT IN ('counter', 'gauge') OR (f.type = 'counter') <> (f.name ~ '_total$')
   OR f.help !~ '^[A-Z0-9][^\\\n]*\.$'
   OR f.name !~ '^(keypool|api_key)_[a-z0-9_]+$';
SELECT count(*) - count(DISTINCT name) FROM keypool.metric_families();
SELECT pg_temp.lines('^(# .* )?keypool_key_(picks_total|limit_left_ratio|available|state)');

-- Label values are escaped.
SELECT keypool.metric_label('key_name', E'a"b\\c\nd\te=ü,}{');
UPDATE keypool.api_keys SET name = E'a"b\\c\nd' WHERE id = :a;
SELECT pg_temp.lines('^keypool_key_available');

-- No request, no rate.
SELECT pg_temp.lines('api_key_tracking_rate');
INSERT INTO keypool.chat_completion_requests (provider, model, user_id, api_key_id, is_anonymous)
VALUES ('openai', 'gpt-4', 'u', :a, false), ('openai', 'gpt-4', 'u', :a, false),
       ('openai', 'gpt-4', 'u', :a, false), ('openai', 'gpt-4', 'u', NULL, false),
       ('openai', 'gpt-4', NULL, NULL, false), ('openai', 'gpt-4', NULL, NULL, true);
SELECT pg_temp.lines('^api_key_tracking_rate|^keypool_request_log_rows');
SELECT requests, requests_last_hour, with_key_last_hour, fold_lag < interval '15 minutes'
FROM keypool.request_log_status;
-- An old day does not move it, nor does a far one.
INSERT INTO keypool.chat_completion_requests (created_at, provider, model, user_id)
VALUES (now() - interval '2 hours', 'openai', 'gpt-4', 'u'),
       (now() + interval '2 hours', 'openai', 'gpt-4', 'u');
SELECT pg_temp.lines('^api_key_tracking_rate|^keypool_request_log_rows');
DELETE FROM keypool.chat_completion_requests;
SELECT pg_temp.lines('^api_key_tracking_rate|^keypool_request_log_rows');

-- A commit counts, a rollback does not.
CREATE TEMP TABLE before AS SELECT * FROM keypool.tracking_counts();
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, model, user_id) VALUES ('x', 'y', 'u');
ROLLBACK;
INSERT INTO keypool.chat_completion_requests (provider, model, user_id, api_key_id, is_anonymous)
VALUES ('openai', 'gpt-4', 'u', :a, false), ('openai', 'gpt-4', 'u', :a, false),
       ('openai', 'gpt-4', 'u', NULL, false), ('openai', 'gpt-4', NULL, NULL, false),
       ('openai', 'gpt-4', NULL, NULL, true);
SELECT c.kind, c.label, c.value - b.value
FROM keypool.tracking_counts() c JOIN before b USING (kind, label);

-- Users' keys are counted by state and have no series of their own.
SELECT pg_temp.more_keys('openai', 'u' || n, :a) FROM generate_series(1, 8) n \g /dev/null
SELECT min(id) AS u FROM keypool.api_keys WHERE user_id IS NOT NULL \gset
INSERT INTO keypool.key_state (key_id, state, cooldown_until)
VALUES (:u, 'unhealthy', NULL), (:u + 1, 'cooling', now() + interval '1 h'),
       (:u + 2, 'cooling', now() - interval '1 h'), (:u + 3, 'unhealthy', NULL);
UPDATE keypool.api_keys SET enabled = false WHERE id IN (:u + 3, :u + 4);
BEGIN;  -- when it has ended, the worker destroys the expired one
UPDATE keypool.api_keys SET expires_at = now() - interval '1 h' WHERE id = :u + 5;
SELECT revoke_key(:u + 6);
SELECT * FROM keypool.user_key_counts ORDER BY provider, state;
SELECT pg_temp.lines('^keypool_keys{.*"user"');
SELECT pg_temp.lines('^keypool_key_.*"user"');
COMMIT;

-- Of many keys the first three hundred have series; all are counted.
SELECT pg_temp.more_keys('groq', NULL, :a) FROM generate_series(1, 304) \g /dev/null
SELECT count(*) FROM pg_temp.lines('^keypool_key_state');
SELECT pg_temp.lines('^keypool_key_state.*key_id="' || :a || '"');
SELECT pg_temp.lines('^keypool_keys{.*groq.*healthy"|^keypool_keys_unlisted');

-- Totals take in what grows, wherever it is written, and never fall.
CREATE FUNCTION pg_temp.totals() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT concat_ws(' ', provider, key_source, picks, requests, errors, tokens, cost_usd)
  FROM keypool.usage_totals WHERE provider = 'mistral' ORDER BY 1
$$;
SELECT pg_temp.more_keys('mistral', NULL, :a) AS m, pg_temp.more_keys('mistral', 'u1', :a) AS n \gset
INSERT INTO keypool.key_state (key_id, picks, requests, errors, tokens, cost_nano)
VALUES (:m, 5, 4, 1, 1000, 2500000000), (:n, 7, 0, 0, 0, 0);
SELECT pg_temp.totals();
INSERT INTO keypool.key_state (key_id, picks, requests) VALUES (:m, 6, 6), (:n, 9, 1)
ON CONFLICT (key_id) DO UPDATE SET picks = excluded.picks, requests = excluded.requests;
SELECT pg_temp.totals();
-- Requests are deleted from the log, others come.
UPDATE keypool.key_state SET requests = 2, tokens = 0 WHERE key_id = :m;
UPDATE keypool.key_state SET requests = 3, tokens = 50 WHERE key_id = :m;
SELECT pg_temp.totals();
SELECT revoke_key(:m);
DELETE FROM keypool.api_keys WHERE id = :n;
DELETE FROM keypool.key_state WHERE key_id IN (:m, :n);
SELECT pg_temp.totals();
-- The parts are added up and mean the same; but not by who could collide with another who does.
SELECT count(*) > 2 FROM keypool.key_totals WHERE provider = 'mistral';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT keypool.add_up_key_totals();
SELECT count(*) > 2 FROM keypool.key_totals WHERE provider = 'mistral';
COMMIT;
SELECT keypool.add_up_key_totals();
SELECT count(*) FROM keypool.key_totals WHERE provider = 'mistral';
SELECT pg_temp.totals();
-- However often something is written, the table stays small.
SELECT pg_temp.more_keys('mistral', NULL, :a) AS m \gset
INSERT INTO keypool.key_state (key_id) VALUES (:m);
DO $$
BEGIN
  FOR n IN 1 .. 600 LOOP
    UPDATE keypool.key_state SET picks = n, cost_nano = 9223372036854775807
    WHERE key_id = (SELECT max(id) FROM keypool.api_keys);
  END LOOP;
END $$;
SELECT count(*) < 300 FROM keypool.key_totals;
SELECT pg_temp.totals();
-- A sum larger than any bigint is no error.
UPDATE keypool.key_state SET cost_nano = 0 WHERE key_id = :m;
UPDATE keypool.key_state SET cost_nano = 9223372036854775807 WHERE key_id = :m;
SELECT cost_usd FROM keypool.usage_totals WHERE provider = 'mistral' AND key_source = 'system';
