-- prometheus_metrics(), and the samples it is put together from.
--
-- Cardinality is bounded: what grows with the number of keys is summed up by provider and kind of
-- owner; series of their own have only the first three hundred keys of the system and of
-- organizations. A scrape reads neither the log nor a user's row.

CREATE FUNCTION keypool.tracking_counts()
RETURNS TABLE (kind text, label text, value bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 8 AS 'MODULE_PATHNAME', 'keypool_tracking_counts';

CREATE FUNCTION keypool.pool_totals()
RETURNS TABLE (provider text, key_source text, keys bigint, in_flight bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'keypool_pool_totals';

CREATE FUNCTION keypool.metric_label(name text, value text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('%s="%s"', name,
                replace(replace(replace(value, '\', '\\'), '"', '\"'), E'\n', '\n'))
$$;

CREATE FUNCTION keypool.tracking_metrics()
RETURNS TABLE (metric text, labels text, value numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT m.metric, keypool.metric_label(m.label, m.label_value), c.value::numeric
  FROM keypool.tracking_counts() c
  JOIN (VALUES
    ('lookups', 'found', 'api_key_lookup_attempts_total', 'status', 'found'),
    ('lookups', 'not_found', 'api_key_lookup_attempts_total', 'status', 'not_found'),
    ('lookups', 'error', 'api_key_lookup_attempts_total', 'status', 'error'),
    ('requests', 'with_key', 'api_key_tracking_success_total', 'request_type', 'authenticated'),
    ('requests', 'anonymous', 'api_key_tracking_success_total', 'request_type', 'anonymous'),
    ('requests', 'lookup_failed', 'api_key_tracking_failures_total', 'reason', 'lookup_failed'),
    ('requests', 'no_key', 'api_key_tracking_failures_total', 'reason', 'no_key'),
    ('requests', 'unidentified', 'api_key_tracking_failures_total', 'reason', 'unidentified')
  ) AS m (kind, counted, metric, label, label_value)
    ON m.kind = c.kind AND m.counted = c.label;

  -- No rate of nothing: the series is absent while nobody asks, which an average over time bears
  -- and a NaN would not.
  RETURN QUERY
  SELECT m.metric, ''::text, m.value
  FROM keypool.request_log_status s
  CROSS JOIN LATERAL (VALUES
    ('api_key_tracking_rate',
     round(s.with_key_last_hour::numeric / nullif(s.requests_last_hour, 0), 6)),
    ('keypool_request_log_rows', s.requests),
    ('keypool_request_log_partitions', s.partitions),
    ('keypool_rollup_unfolded_requests', greatest(s.unfolded_requests, 0)),
    ('keypool_rollup_lag_seconds', round(extract(epoch FROM s.fold_lag), 3))
  ) AS m (metric, value);
END
$$;

CREATE FUNCTION keypool.key_count_metrics()
RETURNS TABLE (metric text, labels text, value numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
-- Some thousand of a million rows of key_state are better looked up one by one.
SET random_page_cost = 1.1
AS $$
BEGIN
  -- Every state, so that a state nobody is in is told by a zero and not by silence.
  RETURN QUERY
  WITH counts AS (
    SELECT o.provider, o.key_source, o.state, count(*) AS keys
    FROM keypool.api_keys_overview o
    WHERE o.key_source <> 'user' AND o.revoked_at IS NULL
    GROUP BY o.provider, o.key_source, o.state
    UNION ALL
    SELECT u.provider, 'user', u.state, u.keys FROM keypool.user_key_counts u
  )
  SELECT 'keypool_keys',
         concat_ws(',', keypool.metric_label('provider', c.provider),
                   keypool.metric_label('key_source', c.key_source),
                   keypool.metric_label('state', s.state)),
         coalesce(sum(c.keys) FILTER (WHERE c.state = s.state), 0)
  FROM counts c
  CROSS JOIN unnest(ARRAY['healthy', 'half_open', 'cooling', 'unhealthy', 'disabled', 'expired'])
    AS s (state)
  GROUP BY c.provider, c.key_source, s.state
  UNION ALL
  SELECT 'keypool_keys_unlisted', '',
         greatest(coalesce(sum(c.keys), 0) - keypool.most_listed_keys(), 0)
  FROM counts c
  WHERE c.key_source <> 'user';
END
$$;

-- How many keys have series of their own.
CREATE FUNCTION keypool.most_listed_keys()
RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT 300 $$;

CREATE FUNCTION keypool.key_metrics()
RETURNS TABLE (metric text, labels text, value numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET random_page_cost = 1.1
AS $$
BEGIN
  -- The order is one that lasts: a key that is used less than others does not lose its series.
  RETURN QUERY
  WITH listed AS MATERIALIZED (
    SELECT o.*, concat_ws(',', keypool.metric_label('provider', o.provider),
                          keypool.metric_label('key_source', o.key_source),
                          keypool.metric_label('key_id', o.key_id::text),
                          keypool.metric_label('key_name', o.name)) AS key
    FROM keypool.api_keys_overview o
    WHERE o.key_source <> 'user' AND o.revoked_at IS NULL
    ORDER BY o.key_source <> 'system', o.key_id
    LIMIT keypool.most_listed_keys()
  )
  SELECT m.metric, concat_ws(',', l.key, m.label), m.value
  FROM listed l
  CROSS JOIN LATERAL (VALUES
    ('keypool_key_state', keypool.metric_label('state', l.state), 1),
    ('keypool_key_available', NULL, l.available::int),
    ('keypool_key_picks_total', NULL, l.picks),
    ('keypool_key_requests_total', NULL, l.requests),
    ('keypool_key_errors_total', NULL, l.errors),
    ('keypool_key_tokens_total', NULL, l.tokens),
    ('keypool_key_cost_dollars_total', NULL, l.cost_total),
    ('keypool_key_cost_today_dollars', NULL, l.cost_today),
    ('keypool_key_in_flight_requests', NULL, l.in_flight),
    ('keypool_key_latency_seconds', NULL, l.latency_ms / 1000),
    ('keypool_key_cooldown_until_timestamp_seconds', NULL,
     CASE WHEN l.state = 'cooling' THEN extract(epoch FROM l.cooldown_until) END),
    ('keypool_key_expires_timestamp_seconds', NULL,
     CASE WHEN isfinite(l.expires_at) THEN extract(epoch FROM l.expires_at) END),
    ('keypool_key_limit_left_ratio', 'kind="requests_per_hour"',
     round(l.rate_limit_left::numeric / l.rate_limit, 6)),
    ('keypool_key_limit_left_ratio', 'kind="requests_per_minute"',
     round(l.requests_per_minute_left::numeric / l.requests_per_minute, 6)),
    ('keypool_key_limit_left_ratio', 'kind="tokens_per_minute"',
     round(l.tokens_per_minute_left::numeric / l.tokens_per_minute, 6)),
    ('keypool_key_limit_left_ratio', 'kind="concurrency"',
     round(l.max_concurrency_left::numeric / l.max_concurrency, 6)),
    ('keypool_key_limit_left_ratio', 'kind="daily_cost"',
     round(l.daily_cost_left / l.daily_cost_limit, 6))
  ) AS m (metric, label, value);
END
$$;

CREATE FUNCTION keypool.provider_metrics()
RETURNS TABLE (metric text, labels text, value numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  WITH
    pool AS MATERIALIZED (SELECT * FROM keypool.pool_totals()),
    -- From zero on: a counter that begins higher hides what came before.
    used AS (
      SELECT coalesce(p.provider, u.provider) AS provider,
             coalesce(p.key_source, u.key_source) AS key_source,
             coalesce(u.picks, 0) AS picks, coalesce(u.requests, 0) AS requests,
             coalesce(u.errors, 0) AS errors, coalesce(u.tokens, 0) AS tokens,
             coalesce(u.cost_usd, 0) AS cost_usd, coalesce(p.keys, 0) AS pool_keys,
             coalesce(p.in_flight, 0) AS in_flight
      FROM pool p
      FULL JOIN keypool.usage_totals u ON u.provider = p.provider AND u.key_source = p.key_source
    )
  SELECT m.metric, concat_ws(',', keypool.metric_label('provider', u.provider),
                             keypool.metric_label('key_source', u.key_source)), m.value
  FROM used u
  CROSS JOIN LATERAL (VALUES
    ('keypool_picks_total', u.picks),
    ('keypool_requests_total', u.requests),
    ('keypool_errors_total', u.errors),
    ('keypool_tokens_total', u.tokens),
    ('keypool_cost_dollars_total', u.cost_usd),
    ('keypool_in_flight_requests', u.in_flight),
    ('keypool_pool_keys', u.pool_keys)
  ) AS m (metric, value)
  UNION ALL
  SELECT m.metric, keypool.metric_label('provider', p.provider), m.value
  FROM keypool.pool_providers() p
  CROSS JOIN LATERAL (VALUES
    ('keypool_provider_outage', p.outage::int),
    ('keypool_provider_backoff_until_timestamp_seconds', extract(epoch FROM p.backoff_until)),
    ('keypool_provider_latency_p50_seconds', round(p.latency_p50_ms::numeric / 1000, 6)),
    ('keypool_provider_latency_p95_seconds', round(p.latency_p95_ms::numeric / 1000, 6))
  ) AS m (metric, value)
  WHERE p.provider IN (SELECT i.provider FROM pool i);
END
$$;

CREATE FUNCTION keypool.worker_metrics()
RETURNS TABLE (metric text, labels text, value numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT m.metric, ''::text, m.value
  FROM keypool.worker_status w
  CROSS JOIN LATERAL (VALUES
    ('keypool_worker_up', (w.state = 'running')::int),
    ('keypool_worker_uptime_seconds', extract(epoch FROM w.uptime)),
    ('keypool_worker_last_cycle_age_seconds',
     round(greatest(extract(epoch FROM statement_timestamp() - w.last_cycle_at), 0), 3)),
    ('keypool_worker_keys_watched', w.keys_watched),
    ('keypool_worker_checks_total', w.checks_done),
    ('keypool_worker_checks_failed_total', w.checks_failed),
    ('keypool_worker_checks_in_flight', w.checks_in_flight),
    ('keypool_pool_slots', w.pool_slots),
    ('keypool_pool_slots_used', w.pool_keys),
    ('keypool_pool_evictions_total', w.evictions)
  ) AS m (metric, value)
  UNION ALL
  SELECT 'keypool_alerts', concat_ws(',', keypool.metric_label('kind', a.kind),
                                     keypool.metric_label('severity', a.severity)), count(*)
  FROM keypool.active_alerts a
  GROUP BY a.kind, a.severity;
END
$$;

CREATE FUNCTION @extschema@.prometheus_metrics()
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT string_agg(format(E'# HELP %s %s\n# TYPE %s %s\n%s', f.name, f.help, f.name, f.type,
                             m.samples), '' ORDER BY f.number)
    FROM keypool.metric_families() f
    JOIN (
      SELECT s.metric,
             string_agg(s.metric || coalesce('{' || nullif(s.labels, '') || '}', '') || ' '
                        || trim_scale(s.value) || E'\n', '' ORDER BY s.labels COLLATE "C")
               AS samples
      FROM (
        SELECT * FROM keypool.tracking_metrics()
        UNION ALL SELECT * FROM keypool.key_count_metrics()
        UNION ALL SELECT * FROM keypool.key_metrics()
        UNION ALL SELECT * FROM keypool.provider_metrics()
        UNION ALL SELECT * FROM keypool.worker_metrics()
      ) s
      WHERE s.value IS NOT NULL
      GROUP BY s.metric
    ) m ON m.metric = f.name
  );
END
$$;
