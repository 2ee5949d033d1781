-- A database of its own for each kind of limits, so that one's budgets do not count the other's
-- picks: "none", "limits" (of every key), "budget" (and one for each user) or "budgets" (and one of
-- every scope), each too high to be reached. psql variables: `yardstick`, and `kind`.

CREATE EXTENSION pg_keypool;

INSERT INTO keypool.providers (name, display_name, strategy, health_check)
VALUES ('bench_16', 'Sixteen keys', 'round_robin', false);

SELECT count(add_key('bench_16', bench.api_key(n), name => 'key-' || n))
FROM generate_series(1, 16) AS n;

UPDATE keypool.api_keys
SET rate_limit = 2000000000, requests_per_minute = 2000000000, tokens_per_minute = 2000000000,
    max_concurrency = 1000000, daily_cost_limit = 1000000
WHERE :'kind' <> 'none';

INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('bench_16', 'model-1', 1, 2);

INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd)
SELECT scope, scope, scope_id, 'month', 900000000
FROM (VALUES ('global', NULL), ('provider', '*'), ('organization', '*'), ('user', '*'),
             ('key', '*'), ('model', '*')) AS budget (scope, scope_id)
WHERE :'kind' = 'budgets' OR (:'kind' = 'budget' AND scope = 'user');

-- CPU time that a transaction of the row "settle" took, between its first statement and its last.
CREATE UNLOGGED TABLE bench.noted (way text, ns bigint);
