-- Every metric of prometheus_metrics(), in the order in which they are shown. A sample whose metric
-- is not listed here does not show.

CREATE FUNCTION keypool.metric_families()
RETURNS TABLE (number bigint, name text, type text, help text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT row_number() OVER (), f.name, f.type, f.help
  FROM (VALUES
    ('api_key_lookup_attempts_total', 'counter',
     'Attempts to find the stored key of a request by its fingerprint.'),
    ('api_key_tracking_success_total', 'counter',
     'Logged requests that carry a key, or are anonymous on purpose.'),
    ('api_key_tracking_failures_total', 'counter',
     'Logged requests without the key they should carry.'),
    ('api_key_tracking_rate', 'gauge',
     'Share of the requests of the last hour that carry a key; absent when there were none.'),

    ('keypool_keys', 'gauge', 'Keys that are not revoked, by owner and state.'),
    ('keypool_keys_unlisted', 'gauge',
     'Keys of the system and of organizations that are too many to have series of their own.'),
    ('keypool_picks_total', 'counter', 'Picks of keys.'),
    ('keypool_requests_total', 'counter', 'Requests made with keys, as logged or reported.'),
    ('keypool_errors_total', 'counter', 'Of these, those that failed.'),
    ('keypool_tokens_total', 'counter', 'Tokens used, input and output.'),
    ('keypool_cost_dollars_total', 'counter', 'US dollars spent.'),
    ('keypool_in_flight_requests', 'gauge', 'Requests that hold a lease.'),

    ('keypool_provider_outage', 'gauge', 'Whether the provider fails as a whole.'),
    ('keypool_provider_backoff_until_timestamp_seconds', 'gauge',
     'Until when no key of the provider is picked; absent when there is no such time.'),
    ('keypool_provider_latency_p50_seconds', 'gauge', 'Median time of an answer.'),
    ('keypool_provider_latency_p95_seconds', 'gauge', '95th percentile of the time of an answer.'),

    ('keypool_key_state', 'gauge', 'One for the state that the key is in.'),
    ('keypool_key_available', 'gauge', 'Whether the key can be picked now.'),
    ('keypool_key_picks_total', 'counter', 'Picks of the key.'),
    ('keypool_key_requests_total', 'counter', 'Requests made with the key.'),
    ('keypool_key_errors_total', 'counter', 'Of these, those that failed.'),
    ('keypool_key_tokens_total', 'counter', 'Tokens used with the key.'),
    ('keypool_key_cost_dollars_total', 'counter', 'US dollars spent with the key.'),
    ('keypool_key_cost_today_dollars', 'gauge', 'US dollars spent with the key today (UTC).'),
    ('keypool_key_in_flight_requests', 'gauge', 'Requests that hold a lease on the key.'),
    ('keypool_key_latency_seconds', 'gauge', 'Mean time of the last answers.'),
    ('keypool_key_limit_left_ratio', 'gauge',
     'Share of a limit of the key that is left; absent for a limit that is not set.'),
    ('keypool_key_cooldown_until_timestamp_seconds', 'gauge',
     'Until when the key cools; absent when it does not.'),
    ('keypool_key_expires_timestamp_seconds', 'gauge',
     'When the key expires; absent when it never does.'),

    ('keypool_request_log_rows', 'gauge', 'Rows of the request log.'),
    ('keypool_request_log_partitions', 'gauge', 'Partitions of the request log.'),
    ('keypool_rollup_unfolded_requests', 'gauge', 'Requests that are not in the rollups yet.'),
    ('keypool_rollup_lag_seconds', 'gauge', 'Age of what is not in the rollups yet.'),

    ('keypool_alerts', 'gauge', 'Open alerts.'),
    ('keypool_worker_up', 'gauge', 'Whether the background worker of this database runs.'),
    ('keypool_worker_uptime_seconds', 'gauge', 'Time since the worker started.'),
    ('keypool_worker_last_cycle_age_seconds', 'gauge',
     'Time since the worker last woke; it sleeps while there is nothing to do.'),
    ('keypool_worker_keys_watched', 'gauge', 'Keys that the worker checks from time to time.'),
    ('keypool_worker_checks_total', 'counter', 'Checks of keys since the worker started.'),
    ('keypool_worker_checks_failed_total', 'counter', 'Of these, those that failed.'),
    ('keypool_worker_checks_in_flight', 'gauge', 'Checks under way.'),
    ('keypool_pool_keys', 'gauge', 'Keys in the pool.'),
    ('keypool_pool_slots', 'gauge', 'Places for keys in the pool of the server.'),
    ('keypool_pool_slots_used', 'gauge', 'Of these, those with keys of this database.'),
    ('keypool_pool_evictions_total', 'counter',
     'Owners whose keys left the pool of the server to make room.')
  ) AS f (name, type, help)
$$;
