-- What people look at. Nothing secret passes: a key shows its masked hint, never its ciphertext.
--
-- The views run with their owner's rights (security_invoker is off), so a reader needs no right on
-- any table. What the pool knows of a key goes before what was last written to key_state: a key
-- that is not in the pool (an idle user's, say) shows its stored values.

-- Subqueries, not WITH: a condition on the view reaches the tables, and one key is found by index.
CREATE VIEW keypool.api_keys_overview AS
SELECT
  j.id AS key_id,
  j.provider,
  j.name,
  j.hint,
  j.key_source,
  nullif(j.owner, '') AS owner,
  j.state,
  CASE WHEN j.state NOT IN ('healthy', 'half_open') THEN false
       ELSE coalesce(j.live_available, true) END AS available,
  CASE WHEN j.state IN ('revoked', 'disabled', 'expired') THEN j.state
       ELSE j.reason END AS reason,
  j.cooldown_until,
  j.requests,
  j.errors,
  coalesce(round(j.errors::numeric / nullif(greatest(j.picks, j.requests), 0), 4), 0) AS error_rate,
  j.picks,
  j.in_flight,
  j.tokens,
  trim_scale(j.cost_today) AS cost_today,
  trim_scale(j.cost_total) AS cost_total,
  j.rate_limit,
  j.rate_limit - least(j.requests_hour, j.rate_limit) AS rate_limit_left,
  j.requests_per_minute,
  j.requests_per_minute - least(j.requests_minute, j.requests_per_minute)
    AS requests_per_minute_left,
  j.tokens_per_minute,
  j.tokens_per_minute - least(j.tokens_minute, j.tokens_per_minute) AS tokens_per_minute_left,
  j.max_concurrency,
  j.max_concurrency - least(j.in_flight, j.max_concurrency) AS max_concurrency_left,
  trim_scale(j.daily_cost_limit) AS daily_cost_limit,
  trim_scale(j.daily_cost_limit - least(j.cost_today, j.daily_cost_limit)) AS daily_cost_left,
  round(j.latency_ms::numeric, 1) AS latency_ms,
  j.last_used_at,
  j.last_checked_at,
  j.failure_class,
  j.failure_streak,
  j.last_error,
  j.weight,
  j.models,
  j.region,
  j.expires_at,
  j.revoked_at,
  j.revoke_reason,
  j.created_at,
  date_trunc('second', statement_timestamp() - coalesce(j.rotated_at, j.created_at)) AS age,
  j.key_source AS source
FROM (
  SELECT k.*,
         CASE WHEN k.revoked_at IS NOT NULL
              THEN CASE k.revoke_reason WHEN 'expired' THEN 'expired' ELSE 'revoked' END
              WHEN NOT k.enabled OR NOT k.provider_enabled THEN 'disabled'
              WHEN k.expires_at <= statement_timestamp() THEN 'expired'
              ELSE k.health END AS state
  FROM (
    SELECT k.*,
           coalesce(l.state,
                    -- Nobody has used the key since its deadline: the next request is its probe.
                    CASE WHEN s.state = 'cooling' AND s.cooldown_until <= statement_timestamp()
                         THEN 'half_open' ELSE s.state END,
                    'healthy') AS health,
           l.available AS live_available,
           l.reason,
           CASE WHEN l.key_id IS NULL THEN s.cooldown_until ELSE l.cooldown_until END
             AS cooldown_until,
           CASE WHEN l.key_id IS NULL THEN s.failure_class ELSE l.failure_class END
             AS failure_class,
           coalesce(l.last_error, s.last_error) AS last_error,
           CASE WHEN l.key_id IS NULL THEN s.last_used_at ELSE l.last_used_at END AS last_used_at,
           CASE WHEN l.key_id IS NULL THEN s.last_checked_at ELSE l.last_checked_at END
             AS last_checked_at,
           coalesce(l.failure_streak, s.failure_streak, 0) AS failure_streak,
           coalesce(l.requests, s.requests, 0) AS requests,
           coalesce(l.errors, s.errors, 0) AS errors,
           coalesce(l.picks, s.picks, 0) AS picks,
           coalesce(l.tokens, s.tokens, 0) AS tokens,
           -- Spending is counted by the day in UTC; what was stored on another day is not today's.
           coalesce(l.cost_today,
                    CASE WHEN s.cost_day = (statement_timestamp() AT TIME ZONE 'UTC')::date
                         THEN s.cost_today_nano / 1e9 END,
                    0) AS cost_today,
           coalesce(l.cost_total, s.cost_nano / 1e9, 0) AS cost_total,
           coalesce(l.in_flight, 0) AS in_flight,
           coalesce(l.requests_hour, 0) AS requests_hour,
           coalesce(l.requests_minute, 0) AS requests_minute,
           coalesce(l.tokens_minute, 0) AS tokens_minute,
           l.latency_ms,
           p.enabled AS provider_enabled
    FROM keypool.api_keys k
    JOIN keypool.providers p ON p.name = k.provider
    LEFT JOIN keypool.pool_keys() l ON l.key_id = k.id
    LEFT JOIN keypool.key_state s ON s.key_id = k.id
  ) k
) j;

-- A view of the owner's passes by the row-level security of his tables: it has its own.
CREATE VIEW keypool.user_api_keys WITH (security_barrier) AS
SELECT * FROM keypool.api_keys_overview
WHERE key_source = 'user'
  AND ((SELECT keypool.sees_all_users()) OR owner = (SELECT @extschema@.current_keypool_user()));

CREATE VIEW keypool.system_api_keys AS
SELECT * FROM keypool.api_keys_overview WHERE key_source = 'system';

CREATE VIEW keypool.provider_statistics AS
SELECT
  k.provider,
  k.total_keys,
  k.healthy_keys,
  k.cooling_keys,
  k.unhealthy_keys,
  coalesce(p.outage, false) AS outage,
  p.backoff_until,
  k.requests,
  k.errors,
  coalesce(round(k.errors / nullif(greatest(k.picks, k.requests), 0), 4), 0) AS error_rate,
  k.picks,
  k.tokens,
  k.cost_today,
  k.cost_total,
  round(p.latency_p50_ms::numeric, 1) AS latency_p50_ms,
  round(p.latency_p95_ms::numeric, 1) AS latency_p95_ms
FROM (
  SELECT o.provider,
         count(*) FILTER (WHERE o.revoked_at IS NULL) AS total_keys,
         count(*) FILTER (WHERE o.state = 'healthy') AS healthy_keys,
         count(*) FILTER (WHERE o.state = 'cooling') AS cooling_keys,
         count(*) FILTER (WHERE o.state = 'unhealthy') AS unhealthy_keys,
         sum(o.requests) AS requests,
         sum(o.errors) AS errors,
         sum(o.picks) AS picks,
         sum(o.tokens) AS tokens,
         sum(o.cost_today) AS cost_today,
         sum(o.cost_total) AS cost_total
  FROM keypool.api_keys_overview o
  GROUP BY o.provider
) k
LEFT JOIN keypool.pool_providers() p ON p.provider = k.provider;

CREATE VIEW keypool.active_alerts AS
SELECT a.id AS alert_id, a.severity, a.kind, a.provider, a.key_id, k.hint, a.message,
       a.raised_at, a.last_seen_at, a.details
FROM keypool.alerts a
LEFT JOIN keypool.api_keys k ON k.id = a.key_id
WHERE a.cleared_at IS NULL
ORDER BY CASE a.severity WHEN 'critical' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END,
         a.raised_at DESC, a.id DESC;

CREATE VIEW keypool.alert_history AS
SELECT a.id AS alert_id, a.severity, a.kind, a.provider, a.key_id, k.hint, a.message,
       a.raised_at, a.cleared_at,
       date_trunc('second', coalesce(a.cleared_at, statement_timestamp()) - a.raised_at)
         AS duration,
       a.details
FROM keypool.alerts a
LEFT JOIN keypool.api_keys k ON k.id = a.key_id
ORDER BY a.raised_at DESC, a.id DESC;

CREATE VIEW keypool.worker_status AS
SELECT w.pid, w.state, w.started_at,
       date_trunc('second', statement_timestamp() - w.started_at) AS uptime,
       w.last_cycle_at, w.keys_watched, w.checks_done, w.checks_failed, w.checks_in_flight,
       w.pool_keys, w.pool_slots, w.evictions, w.last_error
FROM keypool.worker_state() w;
