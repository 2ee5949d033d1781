-- What people should do: each kind of advice comes and goes with its cause, with exact figures.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\pset null '-'

SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset
-- So many requests to a model at noon, some days ago; of them so many failed.
CREATE FUNCTION pg_temp.used(model text, times int, cost numeric, failed int = 0, age int = 1,
                             input int = 1000, output int = 500, cached int = 200,
                             key_id bigint = NULL, user_id text = NULL)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO keypool.chat_completion_requests
    (created_at, provider, model, input_tokens, output_tokens, cached_tokens, cost_usd,
     http_status, api_key_id, user_id)
  SELECT ((now() AT TIME ZONE 'UTC')::date - age + time '12:00') AT TIME ZONE 'UTC',
         'openai', model, input, output, cached, cost,
         CASE WHEN n <= failed THEN 500 ELSE 200 END, key_id, user_id
  FROM generate_series(1, times) AS n
$$;
CREATE VIEW pg_temp.advice AS
SELECT kind, severity, subject, provider, model, key_id, budget_id, figure, unit
FROM keypool.recommendations;

SELECT * FROM pg_temp.advice;

-- A cheaper model of the same provider. Its price of now is reckoned for the dear one's tokens.
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, cached_input_cost)
VALUES ('openai', 'test-dear', 10, 30, NULL), ('openai', 'test-cheap', 1, 2, 0.5),
       ('openai', 'test-cheaper', 0.5, 2, 0.5), ('anthropic', 'test-other', 0.1, 0.1, NULL);
SELECT pg_temp.used('test-dear', 40, 0.025), pg_temp.used('test-cheap', 19, 0.0019);
SELECT * FROM pg_temp.advice;
-- Twenty requests are few, but enough.
SELECT pg_temp.used('test-cheap', 1, 0.0019);
SELECT * FROM pg_temp.advice;
SELECT recommendation, details FROM keypool.recommendations;
-- One more failure in a hundred requests is none; two in twenty-two are too many.
SELECT pg_temp.used('test-cheap', 80, 0.0019, failed => 1);
SELECT count(*) FROM pg_temp.advice;
SELECT pg_temp.used('test-cheap', 2, 0.0019, failed => 2);
SELECT count(*) FROM pg_temp.advice;
-- The dear one does not do better itself any more.
SELECT pg_temp.used('test-dear', 10, 0.025, failed => 2);
SELECT * FROM pg_temp.advice;
-- The best of several, for each of them; what never answers is something else.
SELECT pg_temp.used('test-cheaper', 20, 0.00145);
SELECT pg_temp.used('test-embedding', 20, 0.00001, output => 0);
SELECT subject, figure, details ->> 'cheaper_model' AS cheaper FROM keypool.recommendations;
-- Without a price on the list, by what it cost per token; what is not priced does not count.
DELETE FROM keypool.model_prices WHERE model LIKE 'test-%';
SELECT subject, figure, details ->> 'cheaper_model' AS cheaper, details ->> 'reckoned_by' AS by
FROM keypool.recommendations;
DELETE FROM keypool.chat_completion_requests;
-- The last 30 days, today included.
SELECT pg_temp.used('test-dear', 20, 0.025, age => 30), pg_temp.used('test-cheap', 20, 0.0015);
SELECT * FROM pg_temp.advice;
SELECT pg_temp.used('test-dear', 20, 0.025, age => 29);
SELECT * FROM pg_temp.advice;
DELETE FROM keypool.chat_completion_requests;

-- Requests without a price, until they have one.
SELECT pg_temp.used('test-new', 7, NULL), pg_temp.used('test-new', 3, 0.5);
SELECT * FROM pg_temp.advice;
SELECT recommendation, details FROM keypool.recommendations;
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('openai', 'test-new', 1, 1);
SELECT recommendation FROM keypool.recommendations;
UPDATE keypool.chat_completion_requests SET cost_usd = 0.0015;
SELECT * FROM pg_temp.advice;

-- A model that fails: by the setting of the alert, in the last 7 days.
SELECT pg_temp.used('test-broken', 19, 0, failed => 10);
SELECT * FROM pg_temp.advice;
SELECT pg_temp.used('test-broken', 6, 0), pg_temp.used('test-broken', 99, 0, age => 7);
SELECT * FROM pg_temp.advice;
SELECT recommendation, details FROM keypool.recommendations;
SELECT pg_temp.used('test-broken', 25, 0);
SELECT * FROM pg_temp.advice;
DELETE FROM keypool.chat_completion_requests;

-- Keys: unused, old, about to end. What is disabled or revoked is left alone.
SELECT add_key('openai', pg_temp.key('syst'), 'shared') AS shared,
       add_key('openai', pg_temp.key('orga'), 'acme', organization_id => 'acme') AS acme,
       add_key('openai', pg_temp.key('user'), 'own', user_id => 'u1') AS own,
       add_key('openai', pg_temp.key('more'), 'more', user_id => 'u2') AS more \gset
SELECT * FROM pg_temp.advice;
ALTER TABLE keypool.api_keys DISABLE TRIGGER guard_api_key;
UPDATE keypool.api_keys SET created_at = now() - interval '23 hours';
SELECT * FROM pg_temp.advice;
UPDATE keypool.api_keys SET created_at = now() - interval '25 hours' WHERE id IN (:shared, :own);
SELECT * FROM pg_temp.advice;
SELECT recommendation FROM keypool.recommendations;
-- One pick, and it is used.
SELECT pg_temp.picks(1, 'openai', 'u1');
SELECT * FROM pg_temp.advice;
-- In one transaction: the worker writes these rows, too.
BEGIN;
INSERT INTO keypool.key_state (key_id, last_used_at)
VALUES (:more, now() - interval '30 days 5 minutes'), (:acme, now() - interval '29 days')
ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at;
UPDATE keypool.api_keys SET created_at = now() - interval '50 days' WHERE id IN (:more, :acme);
SELECT * FROM pg_temp.advice;
SELECT recommendation FROM keypool.recommendations;
ROLLBACK;
SELECT pg_temp.picks(1, 'openai', NULL, 'acme');
UPDATE keypool.api_keys SET enabled = false WHERE id = :more;
SELECT revoke_key(:shared);
SELECT * FROM pg_temp.advice;
UPDATE keypool.api_keys SET created_at = now() - interval '367 days';
SELECT * FROM pg_temp.advice;
SELECT recommendation FROM keypool.recommendations WHERE key_id = :acme;
UPDATE keypool.api_keys SET rotated_at = now() - interval '3 days';
SELECT * FROM pg_temp.advice;
UPDATE keypool.api_keys SET expires_at = now() + interval '6 days 5 minutes' WHERE id = :acme;
UPDATE keypool.api_keys SET expires_at = now() + interval '20 days 5 minutes' WHERE id = :own;
SELECT * FROM pg_temp.advice;
SELECT regexp_replace(recommendation, '\d{4}-\S+ \S+', '<moment>') FROM keypool.recommendations
WHERE key_id = :acme;
UPDATE keypool.api_keys SET expires_at = NULL;
SELECT * FROM pg_temp.advice;

-- Near a limit: now, the nearest of several.
UPDATE keypool.api_keys SET requests_per_minute = 10, rate_limit = 20 WHERE id = :own;
SELECT pg_temp.picks(6, 'openai', 'u1');
SELECT * FROM pg_temp.advice;
SELECT pg_temp.picks(1, 'openai', 'u1');
SELECT * FROM pg_temp.advice;
SELECT recommendation, details FROM keypool.recommendations;
SELECT pg_temp.picks(2, 'openai', 'u1');
SELECT * FROM pg_temp.advice;
UPDATE keypool.api_keys SET requests_per_minute = NULL, rate_limit = NULL WHERE id = :own;
SELECT * FROM pg_temp.advice;
-- Persistently: on two of the last seven days, all day long.
UPDATE keypool.api_keys SET rate_limit = 10, daily_cost_limit = 5 WHERE id = :acme;
SELECT pg_temp.used('test-new', 191, 0.001, age => 1, key_id => :acme),
       pg_temp.used('test-new', 216, 0.001, age => 2, key_id => :acme);
SELECT * FROM pg_temp.advice;
SELECT pg_temp.used('test-new', 1, 0.001, age => 1, key_id => :acme);
SELECT * FROM pg_temp.advice;
SELECT recommendation, details FROM keypool.recommendations;
UPDATE keypool.chat_completion_requests SET cost_usd = 0.025;
SELECT figure, details FROM keypool.recommendations;
UPDATE keypool.api_keys SET rate_limit = NULL, daily_cost_limit = NULL WHERE id = :acme;
SELECT * FROM pg_temp.advice;
DELETE FROM keypool.chat_completion_requests;

-- Budgets that will run out. A dollar was spent on each of the 28 days before today, and one today:
-- every weekday costs a dollar a day.
SELECT pg_temp.used('test-new', 2, 0.5, age => age, user_id => 'u1')
FROM generate_series(1, 28) AS age \g /dev/null
INSERT INTO keypool.chat_completion_requests (created_at, provider, model, user_id, cost_usd)
VALUES (now(), 'openai', 'test-new', 'u1', 1);
INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd, action)
VALUES ('global', NULL, 'month', 1000000, 'warn'), ('user', '*', 'week', 1000000, 'warn'),
       ('provider', 'openai', 'day', 1000000, 'warn'), ('model', 'test-new', 'hour', 1000000, 'warn'),
       ('user', 'u2', 'month', 1000000, 'warn'), ('global', NULL, 'total', 1000000, 'warn');
CREATE VIEW pg_temp.reckoned AS
SELECT f.*, extract(epoch FROM f.period_end - now()) / 86400 AS days_left,
       extract(epoch FROM now() - f.period_start) / extract(epoch FROM f.period_end - f.period_start)
         AS share_over
FROM keypool.budget_forecast f;
-- Of those that have an end, and something spent.
SELECT scope, subject, period,
       weekday_usd IS NOT DISTINCT FROM
         CASE WHEN period <> 'hour' THEN trim_scale(round(spent_usd + days_left, 6)) END AS by_weekday,
       CASE WHEN share_over < 0.1 THEN linear_usd IS NULL
            ELSE abs(linear_usd - spent_usd / share_over) < 0.00001 END AS in_line
FROM pg_temp.reckoned ORDER BY budget_id;
SELECT count(*) FROM pg_temp.advice;
-- Each gets a limit a little below what it will have spent: the figure and both dates.
BEGIN;
UPDATE keypool.budgets b SET name = 'spring'
FROM pg_temp.reckoned f WHERE f.budget_id = b.id AND f.period = 'month';
UPDATE keypool.budgets b
SET limit_usd = f.spent_usd + (greatest(f.linear_usd, f.weekday_usd) - f.spent_usd) * 0.75
FROM pg_temp.reckoned f WHERE f.budget_id = b.id AND f.period <> 'hour';
SELECT r.kind, r.severity IN ('info', 'warning') AS severity, r.subject, r.provider, r.model, r.key_id,
       r.budget_id, r.figure = greatest(f.linear_usd, f.weekday_usd) AS figure, r.unit,
       abs(extract(epoch FROM f.linear_spent_at - f.period_start)
           - extract(epoch FROM now() - f.period_start) * f.limit_usd / f.spent_usd) < 0.001
         OR (f.linear_spent_at IS NULL AND (f.linear_usd <= f.limit_usd) IS NOT FALSE) AS line_date,
       abs(extract(epoch FROM f.weekday_spent_at - now())
           - (f.limit_usd - f.spent_usd) * 86400) < 1
         OR (f.weekday_spent_at IS NULL AND f.weekday_usd <= f.limit_usd) AS weekday_date
FROM keypool.recommendations r JOIN pg_temp.reckoned f USING (budget_id)
WHERE r.kind = 'budget_forecast' ORDER BY r.budget_id;
SELECT regexp_replace(recommendation, '\d[-\d:.]*( \d\d:\d\d)?', '#', 'g') FROM keypool.recommendations
WHERE kind = 'budget_forecast' AND details ->> 'period' = 'month';
SELECT k FROM keypool.recommendations, jsonb_object_keys(details) AS k
WHERE kind = 'budget_forecast' AND details ->> 'period' = 'month' ORDER BY k;
-- What is spent already is for the alerts; what is off, for nobody.
UPDATE keypool.budgets SET enabled = false WHERE period = 'week';
UPDATE keypool.budgets SET limit_usd = 0.5 WHERE period = 'day';
SELECT subject FROM pg_temp.advice WHERE kind = 'budget_forecast';
ROLLBACK;
-- Weekdays differ: what was spent on the weekday of tomorrow comes back with it.
DELETE FROM keypool.chat_completion_requests WHERE created_at < timestamp :'today' AT TIME ZONE 'UTC';
SELECT pg_temp.used('test-new', 1, 7, age => age) FROM generate_series(6, 27, 7) AS age \g /dev/null
SELECT weekday_usd = spent_usd
         + 7 * ceil(((period_end AT TIME ZONE 'UTC')::date - date :'today' - 1) / 7.0) AS each_week
FROM pg_temp.reckoned WHERE period = 'month' AND scope = 'global';
-- A request without a price counts what budgets charge for it.
DELETE FROM keypool.chat_completion_requests WHERE created_at < timestamp :'today' AT TIME ZONE 'UTC';
SELECT pg_temp.used('test-new', 20, NULL, age => age) FROM generate_series(1, 28) AS age \g /dev/null
SELECT abs(weekday_usd - spent_usd
           - days_left * 20 * current_setting('keypool.unknown_request_cost')::numeric) < 0.00001
FROM pg_temp.reckoned WHERE period = 'day';
