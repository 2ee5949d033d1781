-- What people should do, each with the figure behind it; what it is about no longer being so, a row
-- is gone. Costs what there is of keys, models and budgets, not of requests.

CREATE VIEW keypool.recommendations AS
SELECT a.kind, a.severity, a.subject, a.provider, a.model, a.key_id, a.budget_id,
       a.recommendation, a.figure, a.unit, a.details
FROM (
  SELECT * FROM keypool.model_advice
  UNION ALL
  SELECT * FROM keypool.key_advice
  UNION ALL
  SELECT
    'budget_forecast',
    CASE WHEN f.linear_usd > f.limit_usd AND f.weekday_usd > f.limit_usd THEN 'warning'
         ELSE 'info' END,
    concat_ws('/', 'budget:' || f.budget_id, nullif(f.subject, '')),
    CASE WHEN f.scope = 'provider' THEN f.subject END,
    CASE WHEN f.scope = 'model' THEN f.subject END,
    CASE WHEN f.scope = 'key' THEN f.subject::bigint END,
    f.budget_id,
    format('Raise budget %s%s or spend less: of $%s, $%s will have been spent when its period ends '
           'on %s (UTC), and the last dollar on %s.',
           f.budget_id, ' ' || quote_ident(f.name), trim_scale(round(f.limit_usd, 4)),
           trim_scale(round(greatest(f.linear_usd, f.weekday_usd), 4)),
           to_char(f.period_end AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
           to_char(least(f.linear_spent_at, f.weekday_spent_at) AT TIME ZONE 'UTC',
                   'YYYY-MM-DD HH24:MI')),
    greatest(f.linear_usd, f.weekday_usd),
    'USD',
    jsonb_build_object(
      'scope', f.scope, 'period', f.period, 'period_end', f.period_end, 'action', f.action,
      'limit_usd', f.limit_usd, 'spent_usd', f.spent_usd,
      'linear_usd', f.linear_usd, 'linear_spent_at', f.linear_spent_at,
      'weekday_usd', f.weekday_usd, 'weekday_spent_at', f.weekday_spent_at)
  FROM keypool.budget_forecast f
  WHERE greatest(f.linear_usd, f.weekday_usd) > f.limit_usd
) a
ORDER BY CASE a.severity WHEN 'warning' THEN 1 ELSE 2 END, a.kind, a.figure DESC, a.subject;
