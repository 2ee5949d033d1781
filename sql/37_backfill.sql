-- backfill_requests: what became known of logged requests only later.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set VERBOSITY terse

SELECT * FROM backfill_requests();

-- Keys: one of a user's own, two of another's, one that is disabled, the system's.
SELECT add_key('openai', pg_temp.key('only'), user_id => 'one') AS only_key \gset
SELECT add_key('openai', pg_temp.key('twoa'), user_id => 'two') > 0;
SELECT add_key('openai', pg_temp.key('twob'), user_id => 'two') > 0;
SELECT add_key('openai', pg_temp.key('offk'), user_id => 'off', enabled => false) > 0;
SELECT add_key('anthropic', 'sk-ant-api03-' || repeat('k', 24) || 'othr', user_id => 'one') > 0;
SELECT add_key('openai', pg_temp.key('syst')) AS system_key \gset
SELECT fingerprint AS system_print FROM keypool.api_keys WHERE id = :system_key \gset
DELETE FROM keypool.model_prices;
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, cached_input_cost,
                                  valid_from) VALUES
  ('openai', 'gpt-4', 30, 60, NULL, '-infinity'),
  ('openai', 'gpt-4', 10, 30, 2.5, '2020-01-01 00:00+00'),
  ('openai', 'dear', 999999999, 999999999, NULL, '-infinity');

-- Rows as a plain INSERT by somebody who knows little leaves them.
INSERT INTO keypool.chat_completion_requests
  (request_id, created_at, provider, model, user_id, api_key_fingerprint, input_tokens,
   output_tokens, cached_tokens, cost_usd)
VALUES
  ('nobody',      '2020-02-01 00:00+00', 'openai', 'gpt-4', NULL, NULL, 1000, 100, 0, NULL),
  ('before',      '2019-12-31 23:59+00', 'openai', 'gpt-4', 'none', NULL, 1000, 100, 100, NULL),
  ('cached',      '2020-01-01 00:00+00', 'openai', 'gpt-4', 'none', NULL, 1000, 100, 100, NULL),
  ('more cached', '2020-02-01 00:00+00', 'openai', 'gpt-4', 'none', NULL, 10, 0, 100, NULL),
  ('given',       '2020-02-01 00:00+00', 'openai', 'gpt-4', 'none', NULL, 1000, 100, 0, 7),
  ('dear',        '2020-02-01 00:00+00', 'openai', 'dear', 'none', NULL, 2000000000, 1, 0, NULL),
  ('unknown',     '2020-02-01 00:00+00', 'openai', 'gpt-9', 'none', NULL, 1000, 100, 0, NULL),
  ('only',        '2020-02-01 00:00+00', 'openai', 'gpt-4', 'one', NULL, 0, 0, 0, NULL),
  ('two',         '2020-02-01 00:00+00', 'openai', 'gpt-4', 'two', NULL, 0, 0, 0, NULL),
  ('off',         '2020-02-01 00:00+00', 'openai', 'gpt-4', 'off', NULL, 0, 0, 0, NULL),
  ('groq',        '2020-02-01 00:00+00', 'groq', 'gpt-4', 'one', NULL, 0, 0, 0, NULL),
  ('print',       '2020-02-01 00:00+00', NULL, 'gpt-4', 'one', :'system_print', 0, 0, 0, NULL),
  ('other print', '2020-02-01 00:00+00', 'openai', 'gpt-4', 'one', sha256('x'), 0, 0, 0, NULL);

SELECT * FROM backfill_requests(1);
SELECT request_id, api_key_id, key_source, provider, is_anonymous, cost_usd, input_cost_usd,
       output_cost_usd, pricing_source, lookup_status
FROM keypool.chat_completion_requests ORDER BY id;
-- Once more changes nothing.
SELECT * FROM backfill_requests();

-- The keys' counters and the views follow.
SELECT requests, tokens, trim_scale(cost_total) FROM keypool.api_keys_overview
WHERE key_id IN (:only_key, :system_key) ORDER BY key_id;
SELECT sum(requests), sum(cost_usd) FROM keypool.request_costs;
SELECT count(*), sum(cost_usd) FROM keypool.chat_completion_requests;

-- Costs are those of log_request, to the last digit, whatever is rounded.
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, cached_input_cost)
SELECT 'openai', 'm' || n, n * 0.000000137, n * n * 1.000000501,
       CASE WHEN n % 2 = 0 THEN n * 0.5 END
FROM generate_series(1, 200) AS n;
SELECT count(log_request('openai', 'm' || n, input_tokens => n * 7919 % 4001, user_id => 'none',
                         output_tokens => n * 104729 % 997, cached_tokens => n * 31 % 500,
                         request_id => 'price ' || n, created_at => '2020-02-02 00:00+00'))
FROM generate_series(1, 200) AS n;
INSERT INTO keypool.chat_completion_requests (created_at, provider, model, user_id, input_tokens,
                                              output_tokens, cached_tokens, request_id)
SELECT '2020-02-02 00:00+00', 'openai', 'm' || n, 'none', n * 7919 % 4001, n * 104729 % 997,
       n * 31 % 500, 'later ' || n
FROM generate_series(1, 200) AS n;
SELECT * FROM backfill_requests(7);
SELECT count(*), count(*) FILTER (WHERE a.cost_usd > 0),
       count(*) FILTER (WHERE (a.cost_usd, a.input_cost_usd, a.output_cost_usd, a.pricing_source)
                              IS DISTINCT FROM
                              (b.cost_usd, b.input_cost_usd, b.output_cost_usd, b.pricing_source))
         AS different
FROM keypool.chat_completion_requests a
JOIN keypool.chat_completion_requests b
  ON b.request_id = replace(a.request_id, 'price', 'later')
WHERE a.request_id LIKE 'price %';

SELECT pg_temp.failure($$ SELECT * FROM backfill_requests(0) $$);
SELECT pg_temp.failure($$ SELECT * FROM backfill_requests(-5) $$);
SELECT pg_temp.failure($$ SELECT * FROM backfill_requests(NULL) $$);
BEGIN READ ONLY;
SELECT * FROM backfill_requests();
ROLLBACK;
