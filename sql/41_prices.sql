-- The price list: what is built in, importing, pricing history anew; and whom costs are put down to.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set VERBOSITY terse

CREATE VIEW pg_temp.prices AS
  SELECT provider, model, trim_scale(input_cost) AS input, trim_scale(output_cost) AS output,
         trim_scale(cached_input_cost) AS cached,
         CASE valid_from WHEN '-infinity' THEN 'ever' ELSE 'later' END AS since, builtin
  FROM keypool.model_prices;

-- What is built in: dated facts, for every provider that sells tokens, since ever.
SELECT count(*) BETWEEN 80 AND 200 AS enough, bool_and(valid_from = '-infinity') AS since_ever,
       bool_and(source ~ '^https://.* \(\w+ 20\d\d\)$') AS with_source,
       bool_and(input_cost > 0 AND output_cost >= 0) AS paid,
       bool_and(coalesce(cached_input_cost < input_cost, true)) AS cached_is_cheaper
FROM keypool.model_prices WHERE builtin;
SELECT name FROM keypool.providers
WHERE NOT EXISTS (SELECT FROM keypool.model_prices WHERE provider = name) ORDER BY name;
SELECT estimate_cost('openai', 'gpt-4o-mini', 1000000, 100000, 500000),
       estimate_cost('claude', 'claude-opus-4-1', 1000, 1000),
       estimate_cost('google', 'gemini-2.5-pro', 1000),
       estimate_cost('openai', 'no such model', 1000);

-- A price that is written takes the place of the built-in one; one that is edited is built in no
-- more; and an older or a newer one stands beside it.
SELECT * FROM pg_temp.prices WHERE provider = 'openai' AND model IN ('gpt-4o', 'o3', 'o1', 'gpt-5');
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('openai', 'gpt-4o', 7, 8);
UPDATE keypool.model_prices SET input_cost = 9 WHERE provider = 'openai' AND model = 'o3';
UPDATE keypool.model_prices SET input_cost = input_cost WHERE provider = 'openai' AND model = 'o1';
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, valid_from)
VALUES ('openai', 'gpt-5', 1, 2, '2024-01-01');
SELECT * FROM pg_temp.prices WHERE provider = 'openai' AND model IN ('gpt-4o', 'o3', 'o1', 'gpt-5')
ORDER BY model, since;
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('openai', 'gpt-4o', 7, 8);

-- The public map. What has no price per token is skipped; what is exact stays exact; the provider
-- is taken off a model's name where the short name is free.
CREATE TEMP TABLE map AS SELECT '{
  "acme-1": {"litellm_provider": "openai", "input_cost_per_token": 1.00002e-06,
             "output_cost_per_token": 2.99999e-06, "cache_read_input_token_cost": 7.8125e-08,
             "source": "https://example.com/prices"},
  "openai/acme-1": {"litellm_provider": "openai", "input_cost_per_token": 5e-06},
  "gemini/acme-2": {"litellm_provider": "gemini", "input_cost_per_token": 1e-07,
                    "output_cost_per_token": 0.0000004},
  "azure/eu/acme-3": {"litellm_provider": "azure", "input_cost_per_token": 0.0006},
  "vertex_ai/acme-4": {"litellm_provider": "vertex_ai-some_models", "input_cost_per_token": 3e-06},
  "fireworks_ai/accounts/fireworks/models/acme": {"litellm_provider": "fireworks_ai",
                                                  "input_cost_per_token": 9e-07},
  "acme-local": {"litellm_provider": "ollama", "input_cost_per_token": 0,
                 "output_cost_per_token": 0.0},
  "acme-rerank": {"litellm_provider": "cohere", "input_cost_per_token": 0.0,
                  "output_cost_per_token": 0.0, "input_cost_per_query": 0.002},
  "acme-image": {"litellm_provider": "openai", "input_cost_per_image": 0.04},
  "acme-bad": {"litellm_provider": "openai", "input_cost_per_token": -1},
  "sample_spec": {"litellm_provider": "one of https://example.com/", "input_cost_per_token": 0},
  "acme-null": null}'::jsonb AS body;
\set VERBOSITY default
SELECT i.* FROM map, import_prices(body) i;
\set VERBOSITY terse
SELECT * FROM pg_temp.prices WHERE model LIKE '%acme%' ORDER BY provider, model;
SELECT source ~ '^https://example.com/prices \(imported \d{4}-\d\d-\d\d\)$' FROM keypool.model_prices
WHERE model = 'acme-1' AND provider = 'openai';
SELECT estimate_cost('openai', 'acme-1', 1000000, 1000000),
       estimate_cost('openai', 'openai/acme-1', 1000000),
       estimate_cost('gemini', 'gemini/acme-2', 1000000),
       estimate_cost('gemini', 'openai/acme-2', 1000000),
       estimate_cost('azure', 'eu/acme-3', 1000000);

-- Again: nothing changes. Another price holds from now on; the day before has the old one.
SET client_min_messages = warning;
SELECT i.* FROM map, import_prices(body) i;
SELECT i.* FROM map, import_prices(jsonb_set(body, '{gemini/acme-2,input_cost_per_token}', '2e-07')) i;
SELECT * FROM pg_temp.prices WHERE model = 'acme-2' ORDER BY since;
SELECT estimate_cost('gemini', 'acme-2', 1000000);
SELECT log_request('gemini', 'acme-2', input_tokens => 1000000, created_at => now() - interval '1 day',
                   request_id => 'yesterday') > 0;
SELECT cost_usd FROM keypool.chat_completion_requests WHERE request_id = 'yesterday';
-- Twice in a transaction: the last counts, and leaves no other behind.
BEGIN;
SELECT i.* FROM map, import_prices(jsonb_set(body, '{gemini/acme-2,input_cost_per_token}', '3e-07')) i;
SELECT i.* FROM map, import_prices(jsonb_set(body, '{gemini/acme-2,input_cost_per_token}', '4e-07')) i;
SELECT estimate_cost('gemini', 'acme-2', 1000000);
COMMIT;
SELECT input, since FROM pg_temp.prices WHERE model = 'acme-2' ORDER BY since, input;
-- A built-in price that is imported is the user's from then on, which counts as a change of it.
SELECT * FROM pg_temp.prices WHERE model = 'o3-pro';
SELECT * FROM import_prices('{"o3-pro": {"litellm_provider": "openai", "input_cost_per_token": 2e-5,
                                         "output_cost_per_token": 8e-5}}');
SELECT * FROM pg_temp.prices WHERE model = 'o3-pro';

-- Models of import documents, with and without the rest of it; the last of two counts.
SELECT * FROM import_prices('{"providers": {"Claude": {"models": [
  {"name": "own", "input_cost_per_1k_tokens": 0.03, "output_cost_per_1k_tokens": "0.06",
   "cached_input_cost_per_1k_tokens": 1e-3, "max_tokens": 8192, "enabled": true},
  {"name": "unpriced"}, {"input_cost_per_1k_tokens": 1}, 7]}, "groq": {}}}');
RESET client_min_messages;
\set VERBOSITY default
SELECT * FROM import_prices('{"models": [
  {"provider": "groq", "name": "twice", "input_cost_per_1k_tokens": 1},
  {"provider": "GROQ", "name": "twice", "input_cost_per_1k_tokens": 2}]}');
SELECT * FROM import_prices('[{"provider": "groq", "name": "twice", "input_cost_per_1k_tokens": 2}]');
\set VERBOSITY terse
SELECT * FROM pg_temp.prices WHERE model IN ('own', 'twice', 'unpriced') ORDER BY provider;
SELECT * FROM import_prices('{}');
SELECT * FROM import_prices('[]');
-- What is no price list changes nothing, and says where.
SELECT pg_temp.failure($$ SELECT import_prices('7') $$);
SELECT pg_temp.failure($$ SELECT import_prices(NULL) $$);
SELECT pg_temp.failure($$ SELECT import_prices('{"providers": {"groq": {"models": {}}}}') $$);
SELECT pg_temp.failure($$ SELECT import_prices('{"models": 1}') $$);
BEGIN READ ONLY;
SELECT import_prices('{}');
ROLLBACK;

-- import_keys sets prices and the budget of all that is spent in a day.
SELECT * FROM import_keys('{"providers": {"xai": {"models": [
  {"name": "grok-own", "input_cost_per_1k_tokens": 0.002, "output_cost_per_1k_tokens": 0.01},
  {"name": "grok-dear", "input_cost_per_1k_tokens": 1e9},
  {"name": "grok-unpriced", "max_tokens": 1}]}},
  "global": {"daily_cost_limit": 500.0}}');
SELECT * FROM pg_temp.prices WHERE model LIKE 'grok-own';
SELECT * FROM import_keys('{"providers": {"opnai": {"models": [
  {"name": "m", "input_cost_per_1k_tokens": 1}]}}, "global": {"daily_cost_limit": 0.1}}');
SELECT name, scope, scope_id, period, limit_usd, action, enabled FROM keypool.budgets;
DELETE FROM keypool.budgets;

-- Pricing anew. Awkward figures; half of the requests are folded, half are not.
DELETE FROM keypool.chat_completion_requests;
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, cached_input_cost)
SELECT 'openai', 'm' || n, n * 0.000000137, n * n * 1.000000501,
       CASE WHEN n % 2 = 0 THEN n * 0.5 END
FROM generate_series(1, 50) AS n;
CREATE FUNCTION pg_temp.log_some(round text) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(log_request(
    'openai', CASE n % 3 WHEN 0 THEN 'openai/' ELSE '' END || 'm' || n % 60, user_id => 'u' || n % 4,
    input_tokens => n * 7919 % 4001, output_tokens => n * 104729 % 997,
    cached_tokens => n * 31 % 500, session_id => 's' || n % 7, trace_id => 't' || n,
    cost_usd => CASE WHEN n % 11 = 0 THEN n * 0.000000001 END,
    http_status => CASE WHEN n % 5 = 0 THEN 500 ELSE 200 END,
    request_id => round || n,
    created_at => CASE round WHEN 'tail ' THEN now()
                  ELSE '2020-02-01 00:00+00'::timestamptz + n * interval '1 h' END))
  FROM generate_series(1, 200) AS n
$$;
INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd, action)
VALUES ('global', NULL, 'total', 1000, 'warn'), ('user', '*', 'total', 1000, 'warn');
SELECT pg_temp.log_some('folded ');
SELECT keypool.fold_requests() >= 0 AS folded;
SELECT pg_temp.log_some('tail ');
CREATE VIEW pg_temp.totals AS
  SELECT 'log' AS of, count(*) AS requests, sum(cost_usd) AS cost,
         count(*) - count(cost_usd) AS unpriced
  FROM keypool.chat_completion_requests
  UNION ALL SELECT 'request_costs', sum(requests), sum(cost_usd), sum(unpriced_requests)
  FROM keypool.request_costs
  UNION ALL SELECT 'key_source_usage', sum(requests), sum(cost_usd), sum(unpriced_requests)
  FROM keypool.key_source_usage
  UNION ALL SELECT 'model_comparison', sum(requests), sum(cost_usd), sum(unpriced_requests)
  FROM keypool.model_comparison
  UNION ALL SELECT 'session_costs', sum(requests), sum(cost_usd), sum(unpriced_requests)
  FROM keypool.session_costs
  UNION ALL SELECT 'trace_costs', sum(requests), sum(cost_usd), sum(unpriced_requests)
  FROM keypool.trace_costs;
SELECT * FROM pg_temp.totals;
SELECT * FROM reprice_requests();

-- A price is corrected, two become known, one goes.
UPDATE keypool.model_prices SET input_cost = 0.333333333, output_cost = 66.666666667
WHERE model BETWEEN 'm10' AND 'm19';
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('openai', 'm51', 0.1, 0.7), ('openai', 'm52', 1e-9, 1e-9);
DELETE FROM keypool.model_prices WHERE model = 'm20';
CREATE TEMP TABLE before AS SELECT * FROM keypool.chat_completion_requests;
SELECT * FROM reprice_requests('openai', 'm52');
SELECT * FROM reprice_requests('OpenAI', since => '2020-02-03 00:00+00', until => '2020-02-05 00:00+00');
SELECT * FROM reprice_requests(since => now() + interval '1 day');
SELECT * FROM reprice_requests('groq');
SELECT * FROM reprice_requests(batch => 7);
SELECT * FROM reprice_requests();
SELECT * FROM pg_temp.totals;
SELECT count(DISTINCT (requests, cost, unpriced)) AS answers FROM pg_temp.totals;
-- So do budgets, which charge an assumed amount for what has no price.
SELECT b.scope, b.subject, b.spent_usd =
       (SELECT sum(coalesce(r.cost_usd, current_setting('keypool.unknown_request_cost')::numeric))
        FROM keypool.chat_completion_requests r
        WHERE b.scope = 'global' OR r.user_id = b.subject) AS as_logged
FROM keypool.budget_status b ORDER BY 1, 2;
-- What was given stays, and so does what has no price any more.
SELECT b.pricing_source AS was, r.pricing_source AS is, b.model ~ 'm20$' AS gone,
       count(*), count(*) FILTER (WHERE r.cost_usd IS DISTINCT FROM b.cost_usd) AS changed
FROM before b JOIN keypool.chat_completion_requests r USING (id)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- Each cost is what log_request makes of the same request today.
DELETE FROM keypool.chat_completion_requests WHERE model ~ 'm20$';
CREATE TEMP TABLE repriced AS
  SELECT request_id, cost_usd, input_cost_usd, output_cost_usd, pricing_source
  FROM keypool.chat_completion_requests;
DELETE FROM keypool.chat_completion_requests;
SELECT pg_temp.log_some('folded '), pg_temp.log_some('tail ');
SELECT count(*), count(r.cost_usd) AS priced,
       count(*) FILTER (WHERE (r.cost_usd, r.input_cost_usd, r.output_cost_usd, r.pricing_source)
                        IS DISTINCT FROM
                        (n.cost_usd, n.input_cost_usd, n.output_cost_usd, n.pricing_source))
         AS different
FROM repriced r JOIN keypool.chat_completion_requests n USING (request_id);

-- A session is put down to each whom it was made for.
SELECT session_id, user_id, requests, errors, tokens, cost_usd IS NOT NULL AS priced,
       unpriced_requests,
       (cost_usd, tokens, errors, first_request_at, last_request_at) =
       (SELECT sum(r.cost_usd), sum(r.input_tokens + r.output_tokens),
               count(*) FILTER (WHERE r.http_status = 500), min(r.created_at), max(r.created_at)
        FROM keypool.chat_completion_requests r
        WHERE r.session_id = s.session_id AND r.user_id = s.user_id) AS as_logged
FROM keypool.session_costs s WHERE session_id IN ('s1', 's5') ORDER BY 1, 2;
SELECT trace_id, requests, errors FROM keypool.trace_costs WHERE trace_id = 't25';

SELECT pg_temp.failure($$ SELECT * FROM reprice_requests(batch => 0) $$);
SELECT pg_temp.failure($$ SELECT * FROM reprice_requests(batch => NULL) $$);
BEGIN READ ONLY;
SELECT * FROM reprice_requests();
ROLLBACK;
