-- keypool.budgets, their books and their views: what is refused, what is counted, and where periods
-- begin. The worker folds too, whenever it likes: what is looked at is the sum of books and tail.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SELECT add_key('openai', pg_temp.key('aaaa'), user_id => 'u1');

-- Where periods begin and end. Days of a clock change are 23 and 25 hours long.
\pset tuples_only off
SELECT zone, at, p.starts, p.ends, p.ends - p.starts AS length
FROM (VALUES
  ('UTC', timestamptz '2026-03-29 12:00+00'),
  ('Europe/Berlin', '2026-03-28 23:00+00'),
  ('Europe/Berlin', '2026-03-29 21:59:59.999999+00'),
  ('Europe/Berlin', '2026-03-29 22:00+00'),
  ('Europe/Berlin', '2026-10-25 22:59:59.999999+00'),
  ('Asia/Kolkata', '2026-11-21 18:29+00'),
  ('Asia/Kolkata', '2026-11-21 18:30+00'),
  ('Asia/Kathmandu', '2026-11-21 18:15+00'),
  ('Australia/Lord_Howe', '2026-10-03 12:00+00'),
  -- Midnight is skipped there, and comes twice here.
  ('Africa/Cairo', '2026-04-23 23:00+00'),
  ('America/Havana', '2026-11-01 04:30+00'),
  ('America/Havana', '2026-11-01 05:00+00'),
  -- A whole day was skipped.
  ('Pacific/Apia', '2011-12-30 09:59+00'),
  ('Pacific/Apia', '2011-12-30 10:00+00')
) AS v (zone, at)
CROSS JOIN LATERAL keypool.budget_period('day', NULL, zone, at) AS p;
SELECT period, zone, p.starts, p.ends
FROM (VALUES
  ('hour', 'UTC'), ('hour', 'Asia/Kolkata'), ('hour', 'Asia/Kathmandu'), ('week', 'UTC'),
  ('week', 'Europe/Berlin'), ('month', 'UTC'), ('month', 'Pacific/Auckland'), ('total', 'UTC')
) AS v (period, zone)
CROSS JOIN LATERAL keypool.budget_period(period, NULL, zone, '2026-03-31 22:20+00') AS p;
-- Sundays belong to the week before.
SELECT d.day, (keypool.budget_period('week', NULL, 'UTC', d.day)).starts
FROM (VALUES (timestamptz '2025-12-28'), ('2025-12-29'), ('2026-01-04'), ('2026-01-05')) d (day);
-- A rolling window moves in steps; what it counts is never shorter than the window.
SELECT rolling_window, p.ends - p.starts AS step, p.starts,
       keypool.budget_counts_from('rolling', rolling_window, 'UTC', at) AS counts_from,
       at - keypool.budget_counts_from('rolling', rolling_window, 'UTC', at) AS counts
FROM (VALUES (interval '1 hour'), ('90 minutes'), ('24 hours'), ('7 days'), ('1 month'), ('366 days'))
  AS v (rolling_window)
CROSS JOIN (VALUES (timestamptz '2026-03-31 22:20+00')) AS m (at)
CROSS JOIN LATERAL keypool.budget_period('rolling', rolling_window, 'UTC', at) AS p;
-- As date_trunc() has it, all through two years, and each begins where the one before it ends.
SELECT zone, period, count(*) AS moments,
       count(*) FILTER (WHERE p.starts <> date_trunc(period, at, zone)) AS differ,
       count(*) FILTER (WHERE at < p.starts OR at >= p.ends) AS outside,
       count(*) FILTER (WHERE (keypool.budget_period(period, NULL, zone, p.ends)).starts <> p.ends)
         AS gaps
FROM generate_series(timestamptz '2025-01-01', '2026-12-31 23:45', '3 hours 45 minutes') AS at
CROSS JOIN (VALUES ('Europe/Berlin'), ('America/New_York'), ('Asia/Kathmandu'),
                   ('America/St_Johns'), ('Pacific/Chatham')) AS z (zone)
CROSS JOIN (VALUES ('hour'), ('day'), ('week'), ('month')) AS k (period)
CROSS JOIN LATERAL keypool.budget_period(period, NULL, zone, at) AS p
GROUP BY 1, 2 ORDER BY 1, 2;
\pset tuples_only on
SELECT pg_temp.failure($$ SELECT keypool.budget_period('fortnight', NULL, 'UTC', now()) $$);
SELECT pg_temp.failure($$ SELECT keypool.budget_period('rolling', NULL, 'UTC', now()) $$);
SELECT pg_temp.failure($$ SELECT keypool.budget_period('day', NULL, NULL, now()) $$);

-- What a budget can be.
CREATE FUNCTION pg_temp.refused(columns text, given text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT pg_temp.failure(format('INSERT INTO keypool.budgets (%s) VALUES (%s)', columns, given))
$$;
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'galaxy', 'day', 1 $$);
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'global', 'fortnight', 1 $$);
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'global', 'day', 0 $$);
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'global', 'day', 'NaN' $$);
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'user', 'day', 1 $$);
SELECT pg_temp.refused('scope, scope_id, period, limit_usd', $$ 'global', '*', 'day', 1 $$);
SELECT pg_temp.refused('scope, period, limit_usd', $$ 'global', 'rolling', 1 $$);
SELECT pg_temp.refused('scope, period, rolling_window, limit_usd', $$ 'global', 'rolling', '59 minutes', 1 $$);
SELECT pg_temp.refused('scope, period, rolling_window, limit_usd', $$ 'global', 'day', '1 day', 1 $$);
SELECT pg_temp.refused('scope, period, limit_usd, action', $$ 'global', 'day', 1, 'fallback' $$);
SELECT pg_temp.refused('scope, scope_id, period, limit_usd', $$ 'provider', 'opnai', 'day', 1 $$);
SELECT pg_temp.refused('scope, scope_id, period, limit_usd', $$ 'key', '77', 'day', 1 $$);
SELECT pg_temp.refused('scope, scope_id, period, limit_usd', $$ 'key', 'primary', 'day', 1 $$);
SELECT pg_temp.refused('scope, period, limit_usd, time_zone', $$ 'global', 'day', 1, 'Mars/Olympus' $$);

-- Names become those that the log has.
INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd)
VALUES ('provider', 'Claude', 'total', 10), ('key', '01', 'total', 10)
RETURNING scope, scope_id;
UPDATE keypool.budgets SET scope_id = 'OpenAI' WHERE scope = 'provider' RETURNING scope_id;
SELECT pg_temp.failure($$ UPDATE keypool.budgets SET scope_id = 'x' WHERE scope = 'provider' $$);
-- Where the books begin is nobody's choice.
UPDATE keypool.budgets SET counts_from = '2020-01-01' RETURNING counts_from;
DELETE FROM keypool.budgets;

-- No more than there is room for.
SELECT pg_temp.failure($$ INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd)
  SELECT 'user', 'u' || n, 'total', 1 FROM generate_series(1, 8193) n $$);

-- What is counted: requests before and after the budget, a flat charge where the cost is not known.
INSERT INTO keypool.chat_completion_requests
  (created_at, provider, model, user_id, organization_id, api_key_id, cost_usd)
VALUES ('2016-01-05', 'openai', 'm', 'u1', 'acme', 1, 2.5),
       ('2016-01-06', 'openai', 'm', 'u2', NULL, NULL, 0.000000001),
       (now(), 'openai', NULL, NULL, NULL, 1, NULL),
       (now(), 'groq', NULL, '', '', NULL, 1);
CREATE TEMP VIEW status AS
SELECT scope, subject, period, limit_usd, spent_usd, reserved_usd, left_usd, used_percent, state
FROM keypool.budget_status ORDER BY budget_id, subject;
INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd)
VALUES ('global', NULL, 'total', 4), ('anonymous', NULL, 'total', 10), ('provider', '*', 'total', 3),
       ('user', 'u1', 'total', 2.5), ('user', '*', 'total', 5), ('user', 'nobody', 'total', 5),
       ('organization', '*', 'total', 5), ('key', '1', 'total', 3), ('model', '*', 'total', 5);
\pset tuples_only off
TABLE status;
SELECT keypool.fold_requests() >= 0 AS folded;
UPDATE keypool.chat_completion_requests SET cost_usd = 0.25 WHERE cost_usd IS NULL;
DELETE FROM keypool.chat_completion_requests WHERE user_id = 'u2';
TABLE status;
SELECT count(*) FROM keypool.budget_history;

-- A period that is over; as it would be had the budget been there then.
INSERT INTO keypool.budgets (id, scope, period, limit_usd, name, time_zone)
VALUES (100, 'global', 'month', 9, 'past', 'Europe/Berlin');
UPDATE keypool.budgets SET counts_from = '2015-12-31 23:00' WHERE id = 100;
ALTER TABLE keypool.budgets DISABLE TRIGGER guard_budget;
UPDATE keypool.budgets SET counts_from = '2015-12-31 23:00' WHERE id = 100;
ALTER TABLE keypool.budgets ENABLE ALWAYS TRIGGER guard_budget;
SELECT keypool.rebuild_rollups();
TABLE keypool.budget_history;
SELECT spent_usd FROM keypool.budget_status WHERE budget_id = 100;

-- By row or as a whole, what is deleted leaves nothing behind.
DELETE FROM keypool.budgets WHERE scope <> 'global';
SELECT count(*) FROM keypool.budget_spending s
WHERE NOT EXISTS (SELECT FROM keypool.budgets b WHERE b.id = s.budget_id);
TRUNCATE keypool.budgets;
TABLE keypool.budget_spending;
TABLE status;
