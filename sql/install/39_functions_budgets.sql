-- The periods of budgets, and what the books hold not yet.

-- The period that holds an instant. Of a total budget it is all time; of a rolling one the step of
-- its window, counted from 2000 on.
CREATE FUNCTION keypool.budget_period(
  period text, rolling_window interval, time_zone text, at timestamptz,
  OUT starts timestamptz, OUT ends timestamptz)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_budget_period';

-- Since when spending counts at an instant: where the period starts, or the oldest step of a
-- rolling window.
CREATE FUNCTION keypool.budget_counts_from(
  period text, rolling_window interval, time_zone text, at timestamptz)
RETURNS timestamptz
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_budget_counts_from';

-- STABLE: reads tables, in the snapshot of the statement that calls it. An amount may come in
-- several rows.
CREATE FUNCTION keypool.unbooked_spending()
RETURNS TABLE (budget_id bigint, subject text, period_start timestamptz, spent_nano bigint)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'keypool_unbooked_spending';

CREATE FUNCTION keypool.guard_budget()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_guard_budget';

CREATE FUNCTION keypool.budgets_changed()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_budgets_changed';
