-- Advice about keys: what the pool knows of them now, their rows, and the days behind them. Columns
-- as keypool.recommendations has them.

-- Keys of the system and of organizations, and the thousand oldest of users, of whom there may be
-- millions: the view costs the same however many. Near their limits, all keys in the pool are
-- looked at.
--
-- Persistently near a limit is a key that on two of the last seven days worked at the alert's share
-- of it on the average of the whole day: at most hours it was at the limit itself.
CREATE VIEW keypool.key_advice AS
WITH live AS MATERIALIZED (
  SELECT * FROM keypool.pool_keys()
),
alert AS MATERIALIZED (
  SELECT current_setting('keypool.rate_limit_alert')::numeric AS share,
         current_setting('keypool.unused_key_alert')::interval AS unused
),
listed AS MATERIALIZED (
  SELECT k.id, k.provider, k.created_at, k.rotated_at, k.expires_at,
         coalesce(k.rotated_at, k.created_at) AS since,
         format('key %s %s/%s (%s)', k.id, k.provider, k.name, k.hint) AS label,
         coalesce(l.last_used_at, s.last_used_at) AS last_used_at
  FROM (
    SELECT * FROM keypool.api_keys WHERE key_source <> 'user' AND revoked_at IS NULL
    UNION ALL
    (SELECT * FROM keypool.api_keys WHERE key_source = 'user' AND revoked_at IS NULL
     ORDER BY id LIMIT 1000)
  ) k
  JOIN keypool.providers p ON p.name = k.provider AND p.enabled
  LEFT JOIN live l ON l.key_id = k.id
  LEFT JOIN keypool.key_state s ON s.key_id = k.id
  WHERE k.enabled AND (k.expires_at IS NULL OR k.expires_at > now())
),
near AS (
  SELECT l.key_id, w.name, w.used::numeric, w.allowed::numeric, NULL::bigint AS days
  FROM live l
  CROSS JOIN alert a
  JOIN keypool.api_keys k ON k.id = l.key_id
  CROSS JOIN LATERAL (VALUES
    ('rate_limit', l.requests_hour, k.rate_limit),
    ('requests_per_minute', l.requests_minute, k.requests_per_minute),
    ('tokens_per_minute', l.tokens_minute, k.tokens_per_minute),
    ('max_concurrency', l.in_flight, k.max_concurrency),
    ('daily_cost_limit', l.cost_today, k.daily_cost_limit)) AS w (name, used, allowed)
  WHERE a.share < 1 AND k.enabled AND k.revoked_at IS NULL AND w.used >= w.allowed * a.share
  UNION ALL
  SELECT d.api_key_id, w.name, avg(w.used), max(w.allowed), count(*)
  FROM (
    SELECT p.day, p.api_key_id, sum(p.requests) AS requests,
           sum(p.input_tokens + p.output_tokens) AS tokens,
           sum(p.cost_nano) * 0.000000001 AS cost
    FROM keypool.usage_parts p
    WHERE p.api_key_id IS NOT NULL
      AND p.day BETWEEN (now() AT TIME ZONE 'UTC')::date - 7
                    AND (now() AT TIME ZONE 'UTC')::date - 1
    GROUP BY p.day, p.api_key_id
  ) d
  CROSS JOIN alert a
  JOIN keypool.api_keys k ON k.id = d.api_key_id
  CROSS JOIN LATERAL (VALUES
    ('rate_limit', d.requests / 24, k.rate_limit),
    ('requests_per_minute', d.requests / 1440, k.requests_per_minute),
    ('tokens_per_minute', d.tokens / 1440, k.tokens_per_minute),
    ('daily_cost_limit', d.cost, k.daily_cost_limit)) AS w (name, used, allowed)
  WHERE a.share < 1 AND k.enabled AND k.revoked_at IS NULL AND w.used >= w.allowed * a.share
  GROUP BY d.api_key_id, w.name
  HAVING count(*) >= 2
),
nearest AS (
  SELECT DISTINCT ON (n.key_id) n.*, k.provider, round(100 * n.used / n.allowed, 2) AS percent,
         format('key %s %s/%s (%s)', k.id, k.provider, k.name, k.hint) AS label
  FROM near n
  JOIN keypool.api_keys k ON k.id = n.key_id
  ORDER BY n.key_id, n.used / n.allowed DESC, n.name
)
SELECT
  'near_limit' AS kind,
  CASE WHEN n.percent >= 100 OR n.days IS NOT NULL THEN 'warning' ELSE 'info' END AS severity,
  'key:' || n.key_id AS subject,
  n.provider,
  NULL::text COLLATE "C" AS model,
  n.key_id,
  NULL::bigint AS budget_id,
  format(CASE WHEN n.days IS NULL
              THEN 'Raise %1$s of %2$s, or add another key beside it: %3$s %% of the limit is used '
                   'now.'
              ELSE 'Raise %1$s of %2$s, or add another key beside it: on %4$s of the last 7 days '
                   'it worked at %3$s %% of the limit on the average of the whole day.' END,
         n.name, n.label, trim_scale(n.percent), n.days) AS recommendation,
  trim_scale(n.percent) AS figure,
  'percent' AS unit,
  jsonb_strip_nulls(jsonb_build_object(
    'limit', n.name, 'allowed', trim_scale(n.allowed), 'used', trim_scale(round(n.used, 6)),
    'days', n.days)) AS details
FROM nearest n
UNION ALL
SELECT
  'unused_key', 'info', 'key:' || k.id, k.provider, NULL, k.id, NULL,
  format(CASE WHEN k.last_used_at IS NULL
              THEN 'Revoke %s, or disable it until it is needed: it has not been used once in the '
                   '%s since it was %s.'
              ELSE 'Revoke %s, or disable it until it is needed: it was last used %s ago.' END,
         k.label, d.words, CASE WHEN k.rotated_at IS NULL THEN 'added' ELSE 'rotated' END),
  d.days, 'days',
  jsonb_build_object('last_used_at', k.last_used_at, 'created_at', k.created_at)
FROM listed k
CROSS JOIN alert a
CROSS JOIN LATERAL (
  SELECT n.days, n.days || CASE n.days WHEN 1 THEN ' day' ELSE ' days' END AS words
  FROM (SELECT floor(extract(epoch FROM now() - coalesce(k.last_used_at, k.since)) / 86400)
          AS days) n) d
WHERE a.unused > '0' AND k.since < now() - a.unused
  AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '30 days')
UNION ALL
SELECT
  'old_key', 'warning', 'key:' || k.id, k.provider, NULL, k.id, NULL,
  format('Have the provider issue a new secret and call rotate_key(%s, …): that of %s is %s days '
         'old.', k.id, k.label, d.days),
  d.days, 'days',
  jsonb_build_object('created_at', k.created_at, 'rotated_at', k.rotated_at)
FROM listed k
CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM now() - k.since) / 86400) AS days) d
WHERE k.since < now() - interval '1 year'
UNION ALL
SELECT
  'expiring_key', CASE WHEN d.days < 7 THEN 'warning' ELSE 'info' END, 'key:' || k.id, k.provider,
  NULL, k.id, NULL,
  format('Put another key in the place of %s, or give it a later expires_at: it ends at %s '
         '(UTC).',
         k.label, to_char(k.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')),
  d.days, 'days', jsonb_build_object('expires_at', k.expires_at)
FROM listed k
CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM k.expires_at - now()) / 86400) AS days) d
WHERE k.expires_at < now() + interval '30 days';
