-- What budgets will have spent when their periods end, reckoned in two ways: as much for each hour
-- as in the period so far, and as much on each weekday as on the same weekdays before.

-- Of budgets that have an end and something left. In line with the period so far, once a tenth of
-- it is over. By weekday: the average of each UTC weekday among the last 28 days before today, from
-- the first on which anything was spent; a weekday that was not among them counts as an average
-- day. A request without a price counts what budgets charge for it.
CREATE VIEW keypool.budget_forecast AS
WITH
-- Whether it runs is a column, not a condition: the planner would take so many conditions to leave
-- hardly any row, and join by comparing each with each.
status AS MATERIALIZED (
  SELECT s.*, s.enabled AND s.period IN ('hour', 'day', 'week', 'month')
              AND s.spent_usd > 0 AND s.spent_usd < s.limit_usd AS runs
  FROM keypool.budget_status s
),
running AS MATERIALIZED (
  SELECT s.budget_id, s.name, s.scope, coalesce(s.subject, '') COLLATE "C" AS subject, s.period,
         s.action, s.limit_usd, s.spent_usd, s.period_start, s.period_end,
         extract(epoch FROM now() - s.period_start) AS seconds_over,
         extract(epoch FROM s.period_end - s.period_start) AS seconds
  FROM status s
  WHERE s.runs
),
-- What was charged on the days before, by weekday and everything a budget can be about. The first
-- weekday is Monday, as 2001 began with one.
charged AS MATERIALIZED (
  SELECT
    GROUPING(p.provider, p.model, p.organization_id, p.user_id, p.api_key_id, p.anonymous) AS but,
    p.weekday, p.provider, p.model, p.organization_id, p.user_id, p.api_key_id, p.anonymous,
    min(p.day) AS first_day, sum(p.cost_nano) AS cost_nano, sum(p.unpriced) AS unpriced
  FROM (
    SELECT p.*, p.user_id IS NULL AND p.organization_id IS NULL AS anonymous,
           (p.day - date '2001-01-01') % 7 + 1 AS weekday
    FROM keypool.usage_parts p
    WHERE p.day BETWEEN (now() AT TIME ZONE 'UTC')::date - 28
                    AND (now() AT TIME ZONE 'UTC')::date - 1
  ) p
  WHERE EXISTS (SELECT FROM running r WHERE r.period <> 'hour')
  GROUP BY GROUPING SETS (
    (p.weekday), (p.weekday, p.provider), (p.weekday, p.model), (p.weekday, p.organization_id),
    (p.weekday, p.user_id), (p.weekday, p.api_key_id), (p.weekday, p.anonymous))
),
-- GROUPING tells by what a row is not grouped.
charged_for AS MATERIALIZED (
  SELECT 'global' COLLATE "C" AS scope, '' COLLATE "C" AS subject, c.* FROM charged c WHERE but = 63
  UNION ALL SELECT 'provider', c.provider, c.* FROM charged c WHERE but = 31
  UNION ALL SELECT 'model', c.model, c.* FROM charged c WHERE but = 47
  UNION ALL SELECT 'organization', c.organization_id, c.* FROM charged c WHERE but = 55
  UNION ALL SELECT 'user', c.user_id, c.* FROM charged c WHERE but = 59
  UNION ALL SELECT 'key', c.api_key_id::text, c.* FROM charged c WHERE but = 61
  UNION ALL SELECT 'anonymous', '', c.* FROM charged c WHERE but = 62 AND c.anonymous
),
-- How much on each weekday, and since how many days.
habit AS MATERIALIZED (
  SELECT h.budget_id, h.subject, h.today, h.today - min(h.first_day) AS days, sum(h.usd) AS usd,
         array_agg(h.weekday) AS weekdays, array_agg(h.usd) AS usd_on
  FROM (
    SELECT r.budget_id, r.subject, c.first_day, c.weekday,
           (now() AT TIME ZONE 'UTC')::date AS today,
           c.cost_nano * 0.000000001
           + c.unpriced * current_setting('keypool.unknown_request_cost')::numeric AS usd
    FROM running r
    JOIN charged_for c ON c.scope = r.scope AND c.subject = r.subject
    WHERE r.period <> 'hour'
  ) h
  GROUP BY h.budget_id, h.subject, h.today
)
SELECT
  r.budget_id,
  r.name,
  r.scope,
  r.subject,
  r.period,
  r.action,
  r.limit_usd,
  r.spent_usd,
  r.period_start,
  r.period_end,
  l.usd AS linear_usd,
  CASE WHEN l.usd > r.limit_usd
       THEN r.period_start
            + make_interval(secs => (r.seconds_over * r.limit_usd / r.spent_usd)::float8)
  END AS linear_spent_at,
  trim_scale(round(r.spent_usd + a.usd, 6)) AS weekday_usd,
  a.spent_at AS weekday_spent_at
FROM running r
CROSS JOIN LATERAL (
  SELECT CASE WHEN r.seconds_over * 10 >= r.seconds
              THEN trim_scale(round(r.spent_usd * r.seconds / r.seconds_over, 6)) END AS usd) l
LEFT JOIN habit h USING (budget_id, subject)
-- The rest of the period, by UTC days.
LEFT JOIN LATERAL (
  SELECT sum(d.usd) AS usd,
         min(d.since + (d.until - d.since)
                       * ((r.limit_usd - r.spent_usd - d.before) / d.usd)::float8)
           FILTER (WHERE d.before + d.usd > r.limit_usd - r.spent_usd) AS spent_at
  FROM (
    SELECT e.since, e.until, e.usd,
           coalesce(sum(e.usd) OVER (ORDER BY e.since
                                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM (
      SELECT b.since, b.until,
             CASE WHEN w.times = 0 THEN h.usd / h.days
                  ELSE coalesce(h.usd_on[array_position(h.weekdays, w.day)], 0) / w.times END
             * extract(epoch FROM b.until - b.since) / 86400 AS usd
      FROM generate_series(h.today::timestamp, r.period_end AT TIME ZONE 'UTC', interval '1 day')
           AS s (day)
      CROSS JOIN LATERAL (
        SELECT greatest(now(), s.day AT TIME ZONE 'UTC') AS since,
               least(r.period_end, (s.day + interval '1 day') AT TIME ZONE 'UTC') AS until) b
      CROSS JOIN LATERAL (
        -- How often this weekday was among the days before.
        SELECT (s.day::date - date '2001-01-01') % 7 + 1 AS day,
               (h.days + (s.day::date - h.today) % 7) / 7 AS times) w
      WHERE b.until > b.since
    ) e
  ) d
) a ON true;
