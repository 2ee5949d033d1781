-- What the budgets have spent: the books plus the tail of the log that is not folded yet, in one
-- snapshot, and therefore exact. Cost what there is of budgets, subjects and tail.

-- What adds up to a budget's spending, by subject and period. Not grouped; a part that corrects
-- another is negative.
CREATE VIEW keypool.budget_parts AS
SELECT s.budget_id, s.subject, s.period_start, s.spent_nano
FROM keypool.budget_spending s
UNION ALL
SELECT u.budget_id, u.subject COLLATE "C", u.period_start, u.spent_nano
FROM keypool.unbooked_spending() u;

-- Who has a budget of his own for the same period is not subject to that for each.
--
-- Of a rolling window all steps count up to the running one. What is reserved is asked for once,
-- and is of this moment whatever the snapshot.
CREATE VIEW keypool.budget_status AS
WITH running AS MATERIALIZED (
  SELECT b.id, p.starts, nullif(p.ends, 'infinity') AS ends,
         keypool.budget_counts_from(b.period, b.rolling_window, b.time_zone, now()) AS counts_from,
         CASE WHEN b.scope_id = '*' THEN NULL ELSE coalesce(b.scope_id, '') END AS subject
  FROM keypool.budgets b
  CROSS JOIN LATERAL
    keypool.budget_period(b.period, b.rolling_window, b.time_zone, now()) AS p
),
parts AS (
  SELECT r.id, r.subject, 0 AS spent_nano, 0 AS reserved_usd
  FROM running r
  WHERE r.subject IS NOT NULL
  UNION ALL
  SELECT r.id, p.subject, p.spent_nano, 0
  FROM running r
  JOIN keypool.budget_parts p
    ON p.budget_id = r.id AND p.period_start BETWEEN r.counts_from AND r.starts
  UNION ALL
  SELECT r.id, a.subject COLLATE "C", 0, a.reserved_usd
  FROM running r
  JOIN keypool.budget_accounts() a ON a.budget_id = r.id
),
sums AS (
  SELECT p.id, p.subject, trim_scale(sum(p.spent_nano) * 0.000000001) AS spent_usd,
         trim_scale(sum(p.reserved_usd)) AS reserved_usd
  FROM parts p
  GROUP BY p.id, p.subject
)
SELECT
  b.id AS budget_id,
  b.name,
  b.scope,
  s.subject,
  b.period,
  b.action,
  b.limit_usd,
  s.spent_usd,
  s.reserved_usd,
  trim_scale(greatest(b.limit_usd - s.spent_usd - s.reserved_usd, 0)) AS left_usd,
  round(100 * s.spent_usd / b.limit_usd, 2) AS used_percent,
  CASE WHEN s.spent_usd >= b.limit_usd THEN 'spent'
       WHEN s.spent_usd >= b.limit_usd * current_setting('keypool.cost_alert')::numeric
       THEN 'warning'
       ELSE 'ok' END AS state,
  r.counts_from AS period_start,
  CASE WHEN b.period <> 'rolling' THEN r.ends END AS period_end,
  b.time_zone,
  b.enabled
FROM sums s
JOIN running r ON r.id = s.id
JOIN keypool.budgets b ON b.id = s.id
WHERE r.subject IS NOT NULL
   OR ((s.spent_usd <> 0 OR s.reserved_usd <> 0)
       AND NOT EXISTS (SELECT FROM keypool.budgets own
                       WHERE own.enabled AND own.scope = b.scope AND own.scope_id = s.subject
                         AND own.period = b.period));

-- Periods that are over. A rolling window and all time have none.
CREATE VIEW keypool.budget_history AS
SELECT
  b.id AS budget_id,
  b.name,
  b.scope,
  p.subject,
  p.period_start,
  e.ends AS period_end,
  b.limit_usd,
  p.spent_usd
FROM keypool.budgets b
JOIN (
  SELECT s.budget_id, s.subject, s.period_start,
         trim_scale(sum(s.spent_nano) * 0.000000001) AS spent_usd
  FROM keypool.budget_parts s
  GROUP BY s.budget_id, s.subject, s.period_start
  HAVING sum(s.spent_nano) <> 0
) p ON p.budget_id = b.id
CROSS JOIN LATERAL
  keypool.budget_period(b.period, b.rolling_window, b.time_zone, p.period_start) AS e
WHERE b.period NOT IN ('total', 'rolling') AND e.ends <= now();
