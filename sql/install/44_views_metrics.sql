-- Sums that cost the same however many keys and requests there are: what prometheus_metrics()
-- reads.

CREATE VIEW keypool.usage_totals AS
SELECT t.provider, t.key_source,
       sum(t.picks)::bigint AS picks,
       sum(t.requests)::bigint AS requests,
       sum(t.errors)::bigint AS errors,
       sum(t.tokens) AS tokens,
       trim_scale(sum(t.cost_nano) * 0.000000001) AS cost_usd
FROM keypool.key_totals t
GROUP BY t.provider, t.key_source;

-- Healthy is whoever is not known to be something else.
CREATE VIEW keypool.user_key_counts AS
SELECT c.provider, c.state, sum(c.keys)::bigint AS keys
FROM (
  SELECT k.provider,
         CASE WHEN NOT k.enabled OR NOT p.enabled THEN 'disabled'
              WHEN k.expires_at <= statement_timestamp() THEN 'expired'
              ELSE 'healthy' END AS state,
         k.keys
  FROM (
    SELECT provider, enabled, expires_at, count(*) AS keys
    FROM keypool.api_keys
    WHERE user_id IS NOT NULL AND revoked_at IS NULL
    GROUP BY provider, enabled, expires_at
  ) k
  JOIN keypool.providers p ON p.name = k.provider
  UNION ALL
  SELECT k.provider, t.state, t.keys
  FROM keypool.key_state s
  JOIN keypool.api_keys k ON k.id = s.key_id
  JOIN keypool.providers p ON p.name = k.provider
  CROSS JOIN LATERAL (VALUES
    -- Nobody has used the key since its deadline: the next request is its probe.
    (CASE WHEN s.state = 'cooling' AND s.cooldown_until <= statement_timestamp()
          THEN 'half_open' ELSE s.state END, 1),
    ('healthy', -1)) AS t (state, keys)
  WHERE s.state <> 'healthy'
    AND k.user_id IS NOT NULL AND k.revoked_at IS NULL AND k.enabled AND p.enabled
    AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp())
) c
GROUP BY c.provider, c.state
HAVING sum(c.keys) > 0;

-- The last hour is the present quarter of an hour and the four before it: an hour at least.
CREATE VIEW keypool.request_log_status AS
WITH
  tail AS MATERIALIZED (
    SELECT u.bucket, u.requests,
           CASE WHEN u.api_key_id IS NOT NULL THEN u.requests ELSE 0 END AS with_key
    FROM keypool.unfolded_requests() u
  ),
  folded AS (
    SELECT coalesce(sum(r.requests), 0) AS requests,
           coalesce(sum(r.requests) FILTER (WHERE last_hour.has), 0) AS requests_last_hour,
           coalesce(sum(r.with_key) FILTER (WHERE last_hour.has), 0) AS with_key_last_hour
    FROM keypool.tracking_rollup r
    CROSS JOIN LATERAL (
      SELECT r.bucket > statement_timestamp() - interval '75 minutes'
             AND r.bucket <= statement_timestamp()) AS last_hour (has)
  ),
  unfolded AS (
    SELECT coalesce(sum(t.requests), 0) AS requests,
           min(t.bucket) AS since,
           coalesce(sum(t.requests) FILTER (WHERE last_hour.has), 0) AS requests_last_hour,
           coalesce(sum(t.with_key) FILTER (WHERE last_hour.has), 0) AS with_key_last_hour
    FROM tail t
    CROSS JOIN LATERAL (
      SELECT t.bucket > statement_timestamp() - interval '75 minutes'
             AND t.bucket <= statement_timestamp()) AS last_hour (has)
  )
SELECT (f.requests + u.requests)::bigint AS requests,
       u.requests::bigint AS unfolded_requests,
       s.folded_at,
       -- A tail that has just begun is not older than what is in it.
       CASE WHEN u.since IS NULL THEN interval '0'
            ELSE greatest(statement_timestamp() - greatest(s.folded_at, u.since), interval '0')
       END AS fold_lag,
       (f.requests_last_hour + u.requests_last_hour)::bigint AS requests_last_hour,
       (f.with_key_last_hour + u.with_key_last_hour)::bigint AS with_key_last_hour,
       (SELECT count(*) FROM pg_catalog.pg_inherits i
        WHERE i.inhparent = 'keypool.chat_completion_requests'::regclass) AS partitions
FROM folded f
CROSS JOIN unfolded u
CROSS JOIN keypool.rollup_state s;
