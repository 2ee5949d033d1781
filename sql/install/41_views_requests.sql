-- What people look at in the request log, without ever scanning it: the rollups plus the tail that
-- is not folded yet, in one snapshot, and therefore exact.
--
-- The views run with their owner's rights, as those of 40_views.sql do. Conditions on time reach
-- the rollups' indexes, so a view costs what it shows. Sums of bigint are numeric in SQL: they are
-- cast back, for tools that chart integers. Nano-dollars are multiplied, never divided, which keeps
-- the dollars exact.

-- What adds up to the figures of tracking. Not grouped; a part that corrects another is negative.
CREATE VIEW keypool.tracking_parts AS
SELECT r.bucket, r.requests, r.with_key, r.anonymous, r.user_without_key
FROM keypool.tracking_rollup r
UNION ALL
SELECT u.bucket, u.requests,
       CASE WHEN u.api_key_id IS NOT NULL THEN u.requests ELSE 0 END,
       CASE WHEN u.is_anonymous THEN u.requests ELSE 0 END,
       CASE WHEN u.api_key_id IS NULL AND u.user_id IS NOT NULL THEN u.requests ELSE 0 END
FROM keypool.unfolded_requests() u;

-- Likewise of usage. The tail's texts take the collation of the tables.
CREATE VIEW keypool.usage_parts AS
SELECT r.day, r.provider, r.model, r.user_id, r.organization_id, r.api_key_id, r.key_source,
       r.is_anonymous, r.requests, r.errors, r.input_tokens, r.output_tokens, r.cached_tokens,
       r.cost_nano, r.unpriced, r.timed, r.time_ms
FROM keypool.usage_rollup r
UNION ALL
SELECT (u.bucket AT TIME ZONE 'UTC')::date,
       u.provider COLLATE "C", u.model COLLATE "C", u.user_id COLLATE "C",
       u.organization_id COLLATE "C", u.api_key_id, u.key_source COLLATE "C",
       u.is_anonymous, u.requests, u.errors, u.input_tokens, u.output_tokens, u.cached_tokens,
       u.cost_nano, u.unpriced, u.timed, u.time_ms
FROM keypool.unfolded_requests() u;

CREATE VIEW keypool.api_key_tracking_quality AS
SELECT
  date_trunc('hour', p.bucket) AS hour,
  sum(p.requests)::bigint AS total_requests,
  sum(p.with_key)::bigint AS requests_with_api_key,
  sum(p.requests - p.with_key)::bigint AS requests_without_api_key,
  sum(p.anonymous)::bigint AS anonymous_requests,
  sum(p.requests - p.with_key - p.anonymous)::bigint AS potential_lookup_failures,
  (100.0 * sum(p.with_key) / nullif(sum(p.requests), 0))::numeric(5, 2) AS tracking_rate_percent
FROM keypool.tracking_parts p
WHERE p.bucket >= date_trunc('hour', now() - interval '7 days')
GROUP BY 1
HAVING sum(p.requests) > 0
ORDER BY 1 DESC;

CREATE VIEW keypool.api_key_tracking_trend AS
SELECT
  d.*,
  CASE WHEN d.tracking_rate_percent >= 90 THEN 'ok'
       WHEN d.tracking_rate_percent >= 70 THEN 'warning'
       ELSE 'critical' END AS alert_status
FROM (
  SELECT
    p.bucket::date AS day,
    sum(p.requests)::bigint AS total_requests,
    sum(p.with_key)::bigint AS requests_with_api_key,
    sum(p.requests - p.with_key)::bigint AS requests_without_api_key,
    sum(p.anonymous)::bigint AS anonymous_requests,
    sum(p.requests - p.with_key - p.anonymous)::bigint AS potential_lookup_failures,
    (100.0 * sum(p.with_key) / nullif(sum(p.requests), 0))::numeric(5, 2)
      AS tracking_rate_percent
  FROM keypool.tracking_parts p
  WHERE p.bucket >= date_trunc('day', now() - interval '30 days')
  GROUP BY 1
  HAVING sum(p.requests) > 0
) d
ORDER BY d.day DESC;

-- An unknown price is no price of zero: where no request of a row has a known cost, its cost is
-- NULL, and elsewhere unpriced_requests says how many are missing from it.

CREATE VIEW keypool.key_source_usage AS
SELECT
  p.day,
  p.user_id,
  coalesce(p.key_source, k.key_source,
           CASE WHEN p.is_anonymous THEN 'anonymous' ELSE 'unknown' END) AS key_source,
  sum(p.requests)::bigint AS requests,
  sum(p.errors)::bigint AS errors,
  sum(p.input_tokens + p.output_tokens)::bigint AS tokens,
  sum(p.input_tokens)::bigint AS input_tokens,
  sum(p.output_tokens)::bigint AS output_tokens,
  sum(p.cached_tokens)::bigint AS cached_tokens,
  CASE WHEN sum(p.requests) > sum(p.unpriced)
       THEN trim_scale(sum(p.cost_nano) * 0.000000001) END AS cost_usd,
  sum(p.unpriced)::bigint AS unpriced_requests
FROM keypool.usage_parts p
LEFT JOIN keypool.api_keys k ON k.id = p.api_key_id AND p.key_source IS NULL
GROUP BY 1, 2, 3
HAVING sum(p.requests) > 0;

CREATE VIEW keypool.request_costs AS
SELECT
  c.day, c.user_id, c.organization_id, c.provider, c.model, c.api_key_id,
  k.name AS key_name,
  k.hint AS key_hint,
  c.requests, c.errors, c.tokens, c.input_tokens, c.output_tokens, c.cached_tokens,
  c.cost_usd, c.unpriced_requests
FROM (
  SELECT
    p.day, p.user_id, p.organization_id, p.provider, p.model, p.api_key_id,
    sum(p.requests)::bigint AS requests,
    sum(p.errors)::bigint AS errors,
    sum(p.input_tokens + p.output_tokens)::bigint AS tokens,
    sum(p.input_tokens)::bigint AS input_tokens,
    sum(p.output_tokens)::bigint AS output_tokens,
    sum(p.cached_tokens)::bigint AS cached_tokens,
    CASE WHEN sum(p.requests) > sum(p.unpriced)
         THEN trim_scale(sum(p.cost_nano) * 0.000000001) END AS cost_usd,
    sum(p.unpriced)::bigint AS unpriced_requests
  FROM keypool.usage_parts p
  GROUP BY 1, 2, 3, 4, 5, 6
  HAVING sum(p.requests) > 0
) c
LEFT JOIN keypool.api_keys k ON k.id = c.api_key_id;

-- By day, with the sums that averages and shares are made of, so that they can be added up further.
CREATE VIEW keypool.model_usage AS
SELECT
  p.day,
  p.provider,
  p.model,
  sum(p.requests)::bigint AS requests,
  sum(p.errors)::bigint AS errors,
  sum(p.input_tokens + p.output_tokens)::bigint AS tokens,
  sum(p.input_tokens)::bigint AS input_tokens,
  sum(p.output_tokens)::bigint AS output_tokens,
  sum(p.cached_tokens)::bigint AS cached_tokens,
  CASE WHEN sum(p.requests) > sum(p.unpriced)
       THEN trim_scale(sum(p.cost_nano) * 0.000000001) END AS cost_usd,
  sum(p.unpriced)::bigint AS unpriced_requests,
  sum(p.timed)::bigint AS timed_requests,
  sum(p.time_ms)::bigint AS processing_time_ms
FROM keypool.usage_parts p
GROUP BY 1, 2, 3
HAVING sum(p.requests) > 0;

-- Cost per token is that of the days on which everything is priced: tokens of a request without a
-- price must not make the others look cheap.
CREATE VIEW keypool.model_comparison AS
SELECT
  u.provider,
  u.model,
  sum(u.requests)::bigint AS requests,
  sum(u.errors)::bigint AS errors,
  (sum(u.errors) / sum(u.requests))::numeric(5, 4) AS error_rate,
  sum(u.tokens)::bigint AS tokens,
  sum(u.input_tokens)::bigint AS input_tokens,
  sum(u.output_tokens)::bigint AS output_tokens,
  sum(u.cached_tokens)::bigint AS cached_tokens,
  trim_scale(sum(u.cost_usd)) AS cost_usd,
  trim_scale(round(1000 * sum(u.cost_usd) FILTER (WHERE u.unpriced_requests = 0)
        / nullif(sum(u.tokens) FILTER (WHERE u.unpriced_requests = 0), 0), 9))
    AS cost_per_1k_tokens,
  round(sum(u.processing_time_ms) / nullif(sum(u.timed_requests), 0), 1) AS avg_latency_ms,
  sum(u.unpriced_requests)::bigint AS unpriced_requests
FROM keypool.model_usage u
GROUP BY 1, 2;

CREATE VIEW keypool.pricing_quality AS
SELECT
  u.provider,
  u.model,
  sum(u.requests)::bigint AS requests,
  sum(u.requests - u.unpriced_requests)::bigint AS priced_requests,
  sum(u.unpriced_requests)::bigint AS unpriced_requests,
  (100.0 * sum(u.requests - u.unpriced_requests) / sum(u.requests))::numeric(5, 2)
    AS priced_percent,
  min(u.day) FILTER (WHERE u.unpriced_requests > 0) AS first_unpriced_day,
  max(u.day) FILTER (WHERE u.unpriced_requests > 0) AS last_unpriced_day
FROM keypool.model_usage u
GROUP BY 1, 2;
