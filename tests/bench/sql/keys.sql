-- Providers with 16, 1,000 and 10,000 system keys. Every key has every limit, too high to be
-- reached, so that each pick goes through all checks.
INSERT INTO keypool.providers (name, display_name, strategy, health_check)
VALUES ('bench_16', 'Sixteen keys', 'round_robin', false),
       ('bench_1000', 'A thousand keys', 'least_used', false),
       ('bench_10000', 'Ten thousand keys', 'least_used', false);

SELECT count(add_key('bench_' || size, bench.api_key(n),
                     name => 'key-' || n, rate_limit => 2000000000,
                     requests_per_minute => 2000000000, tokens_per_minute => 2000000000,
                     max_concurrency => 1000000, daily_cost_limit => 1000000))
FROM (VALUES (16), (1000), (10000)) AS provider (size), generate_series(1, size) AS n;
