-- Advice about models: what the last 30 UTC days, today included, say of each. From the rollups and
-- the tail, never the log. Columns as keypool.recommendations has them.

-- Costs and tokens are those of the days on which everything is priced, as in model_comparison.
-- What another model would have cost for the same tokens is reckoned by its price now, else by what
-- it cost per token in the same days. One without output tokens makes embeddings or the like: it
-- replaces only its kind.
CREATE VIEW keypool.model_advice AS
WITH used AS MATERIALIZED (
  SELECT
    u.provider,
    u.model,
    sum(u.requests) AS requests,
    sum(u.errors) AS errors,
    sum(u.unpriced_requests) AS unpriced,
    coalesce(sum(u.requests) FILTER (WHERE u.day > t.today - 7), 0) AS week_requests,
    coalesce(sum(u.errors) FILTER (WHERE u.day > t.today - 7), 0) AS week_errors,
    sum(u.output_tokens) > 0 AS has_output,
    sum(u.cost_usd) FILTER (WHERE u.unpriced_requests = 0) AS cost,
    sum(u.input_tokens) FILTER (WHERE u.unpriced_requests = 0) AS input,
    sum(u.output_tokens) FILTER (WHERE u.unpriced_requests = 0) AS output,
    sum(u.cached_tokens) FILTER (WHERE u.unpriced_requests = 0) AS cached
  FROM keypool.model_usage u
  CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
  WHERE u.day > (now() AT TIME ZONE 'UTC')::date - 30
    AND u.provider IS NOT NULL AND u.model IS NOT NULL
  GROUP BY u.provider, u.model
),
priced AS MATERIALIZED (
  SELECT u.*, m.input_cost, m.output_cost, m.cached_input_cost
  FROM used u
  LEFT JOIN LATERAL (
    SELECT p.input_cost, p.output_cost,
           coalesce(p.cached_input_cost, p.input_cost) AS cached_input_cost
    FROM keypool.model_prices p
    WHERE p.provider = u.provider AND p.model = u.model AND p.valid_from <= now()
    ORDER BY p.valid_from DESC
    LIMIT 1
  ) m ON true
),
cheaper AS (
  SELECT DISTINCT ON (a.provider, a.model)
         a.provider, a.model, a.requests, a.errors, a.input + a.output AS tokens, a.cost,
         b.model AS other, b.requests AS other_requests, b.errors AS other_errors,
         o.cost AS other_cost,
         CASE WHEN b.input_cost IS NULL THEN 'requests' ELSE 'model_prices' END AS reckoned_by
  FROM priced a
  JOIN priced b ON b.provider = a.provider AND b.model <> a.model AND b.has_output = a.has_output
  CROSS JOIN LATERAL (
    SELECT CASE WHEN b.input_cost IS NULL
                THEN round(b.cost * (a.input + a.output) / nullif(b.input + b.output, 0), 9)
                ELSE round((greatest(a.input - a.cached, 0) * b.input_cost
                            + a.cached * b.cached_input_cost + a.output * b.output_cost)
                           * 0.000001, 9) END AS cost
  ) o
  WHERE a.requests >= 20 AND b.requests >= 20
    -- Of a hundred requests at most one more fails.
    AND b.errors * a.requests * 100 <= (a.errors * 100 + a.requests) * b.requests
    AND o.cost < a.cost
  ORDER BY a.provider, a.model, o.cost, b.model
)
SELECT
  'cheaper_model' AS kind,
  'info' AS severity,
  format('model:%s/%s', c.provider, c.model) AS subject,
  c.provider,
  c.model,
  NULL::bigint AS key_id,
  NULL::bigint AS budget_id,
  format('Try %s where you ask %s for %s: as many of its requests succeed, and the tokens of the '
         'last 30 days would have cost $%s instead of $%s.',
         c.other, c.provider, c.model, trim_scale(round(c.other_cost, 4)),
         trim_scale(round(c.cost, 4))) AS recommendation,
  trim_scale(c.cost - c.other_cost) AS figure,
  'USD' AS unit,
  jsonb_build_object(
    'cheaper_model', c.other, 'days', 30, 'reckoned_by', c.reckoned_by,
    'requests', c.requests, 'tokens', c.tokens, 'cost_usd', trim_scale(c.cost),
    'success_percent', trim_scale(round(100 - 100 * c.errors / c.requests, 2)),
    'cheaper_requests', c.other_requests, 'cheaper_cost_usd', trim_scale(c.other_cost),
    'cheaper_success_percent',
    trim_scale(round(100 - 100 * c.other_errors / c.other_requests, 2))) AS details
FROM cheaper c
UNION ALL
SELECT
  'unpriced_model', 'warning', format('model:%s/%s', p.provider, p.model), p.provider, p.model,
  NULL, NULL,
  format(CASE WHEN p.input_cost IS NULL
              THEN 'Tell the price of %1$s/%2$s in keypool.model_prices: what %3$s of its %4$s '
                   'requests in the last 30 days cost is not known.'
              ELSE 'Call reprice_requests(%5$L, %6$L): what %3$s of %4$s requests in the last 30 '
                   'days cost was not known then, and is now.' END,
         p.provider, p.model, p.unpriced, p.requests, p.provider, p.model),
  p.unpriced, 'requests',
  jsonb_build_object('days', 30, 'requests', p.requests, 'unpriced_requests', p.unpriced,
                     'price_known_now', p.input_cost IS NOT NULL)
FROM priced p
WHERE p.unpriced > 0
UNION ALL
SELECT
  'failing_model', 'warning', format('model:%s/%s', p.provider, p.model), p.provider, p.model,
  NULL, NULL,
  format('Find out why %s of %s requests to %s/%s failed in the last 7 days (error_type and '
         'error_message in the log), or ask for another model.',
         p.week_errors, p.week_requests, p.provider, p.model),
  trim_scale(round(100 * p.week_errors / p.week_requests, 2)), 'percent',
  jsonb_build_object('days', 7, 'requests', p.week_requests, 'errors', p.week_errors)
FROM priced p
WHERE p.week_requests >= 20
  AND p.week_errors > p.week_requests * current_setting('keypool.error_rate_alert')::numeric;
