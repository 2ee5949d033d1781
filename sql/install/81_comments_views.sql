-- What \d+ says of the views and their columns.

COMMENT ON VIEW keypool.api_keys_overview IS
  'Every key, masked, with its health, its use and what is left of its limits.';
COMMENT ON COLUMN keypool.api_keys_overview.key_id IS 'Id of the key.';
COMMENT ON COLUMN keypool.api_keys_overview.provider IS 'Provider that issued the key.';
COMMENT ON COLUMN keypool.api_keys_overview.name IS 'Name of the key.';
COMMENT ON COLUMN keypool.api_keys_overview.hint IS 'Masked form of the secret.';
COMMENT ON COLUMN keypool.api_keys_overview.key_source IS
  'Kind of owner: user, organization or system.';
COMMENT ON COLUMN keypool.api_keys_overview.owner IS
  'User or organization that owns it; NULL: the system.';
COMMENT ON COLUMN keypool.api_keys_overview.state IS
  'healthy, cooling, unhealthy, half_open, disabled (key or provider), expired or revoked.';
COMMENT ON COLUMN keypool.api_keys_overview.available IS 'Whether a pick could take it now.';
COMMENT ON COLUMN keypool.api_keys_overview.reason IS 'Why not, if not.';
COMMENT ON COLUMN keypool.api_keys_overview.cooldown_until IS
  'When a cooling key may be tried again.';
COMMENT ON COLUMN keypool.api_keys_overview.requests IS 'Requests reported to have used the key.';
COMMENT ON COLUMN keypool.api_keys_overview.errors IS 'Failures reported of the key.';
COMMENT ON COLUMN keypool.api_keys_overview.error_rate IS
  'Errors per pick or request, whichever are more: 0.0500 is 5 %.';
COMMENT ON COLUMN keypool.api_keys_overview.picks IS 'How often the key was picked.';
COMMENT ON COLUMN keypool.api_keys_overview.in_flight IS 'Leases open on the key now.';
COMMENT ON COLUMN keypool.api_keys_overview.tokens IS 'Tokens its requests used.';
COMMENT ON COLUMN keypool.api_keys_overview.cost_today IS
  'Cost of today''s requests (UTC), in US dollars.';
COMMENT ON COLUMN keypool.api_keys_overview.cost_total IS
  'Cost of all its requests, in US dollars.';
COMMENT ON COLUMN keypool.api_keys_overview.rate_limit IS 'Most requests an hour; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys_overview.rate_limit_left IS 'Requests left in this hour.';
COMMENT ON COLUMN keypool.api_keys_overview.requests_per_minute IS
  'Most requests a minute; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys_overview.requests_per_minute_left IS
  'Requests left in this minute.';
COMMENT ON COLUMN keypool.api_keys_overview.tokens_per_minute IS
  'Most tokens a minute; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys_overview.tokens_per_minute_left IS 'Tokens left in this minute.';
COMMENT ON COLUMN keypool.api_keys_overview.max_concurrency IS
  'Most requests in flight; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys_overview.max_concurrency_left IS
  'Requests that may still go in flight.';
COMMENT ON COLUMN keypool.api_keys_overview.daily_cost_limit IS
  'Most US dollars a day (UTC); NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys_overview.daily_cost_left IS 'US dollars left today (UTC).';
COMMENT ON COLUMN keypool.api_keys_overview.latency_ms IS
  'Usual time its requests take, in milliseconds; NULL while unknown.';
COMMENT ON COLUMN keypool.api_keys_overview.last_used_at IS 'When the key was last picked.';
COMMENT ON COLUMN keypool.api_keys_overview.last_checked_at IS
  'When the worker last checked the key.';
COMMENT ON COLUMN keypool.api_keys_overview.failure_class IS 'Class of its last failure.';
COMMENT ON COLUMN keypool.api_keys_overview.failure_streak IS 'Failures in a row.';
COMMENT ON COLUMN keypool.api_keys_overview.last_error IS
  'Last failure in words, with secrets removed.';
COMMENT ON COLUMN keypool.api_keys_overview.weight IS 'Share of picks relative to its neighbours.';
COMMENT ON COLUMN keypool.api_keys_overview.models IS 'Only models the key serves; NULL: all.';
COMMENT ON COLUMN keypool.api_keys_overview.region IS 'Region the key belongs to; NULL: any.';
COMMENT ON COLUMN keypool.api_keys_overview.expires_at IS 'From then on it is not picked.';
COMMENT ON COLUMN keypool.api_keys_overview.revoked_at IS 'When it was revoked.';
COMMENT ON COLUMN keypool.api_keys_overview.revoke_reason IS 'Why it was revoked.';
COMMENT ON COLUMN keypool.api_keys_overview.created_at IS 'When it was added.';
COMMENT ON COLUMN keypool.api_keys_overview.age IS 'How long its present secret has been stored.';
COMMENT ON COLUMN keypool.api_keys_overview.source IS 'The same as key_source, by its short name.';

COMMENT ON VIEW keypool.user_api_keys IS 'The keys of api_keys_overview that belong to users.';
COMMENT ON VIEW keypool.system_api_keys IS
  'The keys of api_keys_overview that belong to the system.';

-- Same columns, same words.
DO $$
DECLARE
  target record;
BEGIN
  FOR target IN
    SELECT c.oid::regclass AS view, a.attname, col_description(o.attrelid, o.attnum) AS words
    FROM pg_attribute o
    JOIN pg_class c ON c.oid IN ('keypool.user_api_keys'::regclass,
                             'keypool.system_api_keys'::regclass)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = o.attname
    WHERE o.attrelid = 'keypool.api_keys_overview'::regclass AND o.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', target.view, target.attname, target.words);
  END LOOP;
END
$$;

COMMENT ON VIEW keypool.provider_statistics IS
  'One row for each provider that has, or had, a key: its health, use and latency.';
COMMENT ON COLUMN keypool.provider_statistics.provider IS 'Name of the provider.';
COMMENT ON COLUMN keypool.provider_statistics.total_keys IS 'Keys that are not revoked.';
COMMENT ON COLUMN keypool.provider_statistics.healthy_keys IS 'Keys in state healthy.';
COMMENT ON COLUMN keypool.provider_statistics.cooling_keys IS
  'Keys waiting out a rate limit or failures.';
COMMENT ON COLUMN keypool.provider_statistics.unhealthy_keys IS 'Keys refused, or without quota.';
COMMENT ON COLUMN keypool.provider_statistics.outage IS
  'Whether most keys fail at once, which is blamed on the provider.';
COMMENT ON COLUMN keypool.provider_statistics.backoff_until IS
  'Until when the busy provider is left alone.';
COMMENT ON COLUMN keypool.provider_statistics.requests IS
  'Requests reported, revoked keys included.';
COMMENT ON COLUMN keypool.provider_statistics.errors IS 'Failures reported, revoked keys included.';
COMMENT ON COLUMN keypool.provider_statistics.error_rate IS
  'Errors per pick or request, whichever are more: 0.0500 is 5 %.';
COMMENT ON COLUMN keypool.provider_statistics.picks IS 'How often its keys were picked.';
COMMENT ON COLUMN keypool.provider_statistics.tokens IS 'Tokens used.';
COMMENT ON COLUMN keypool.provider_statistics.cost_today IS
  'Cost of today''s requests (UTC), in US dollars.';
COMMENT ON COLUMN keypool.provider_statistics.cost_total IS 'Cost of all requests, in US dollars.';
COMMENT ON COLUMN keypool.provider_statistics.latency_p50_ms IS
  'Half of the recent requests took no longer, in milliseconds.';
COMMENT ON COLUMN keypool.provider_statistics.latency_p95_ms IS
  '95 % of the recent requests took no longer, in milliseconds.';

COMMENT ON VIEW keypool.active_alerts IS 'Trouble that lasts, worst first.';
COMMENT ON COLUMN keypool.active_alerts.alert_id IS 'Id of the alert.';
COMMENT ON COLUMN keypool.active_alerts.severity IS 'info, warning or critical.';
COMMENT ON COLUMN keypool.active_alerts.kind IS 'What kind of trouble.';
COMMENT ON COLUMN keypool.active_alerts.provider IS 'Provider concerned, if one.';
COMMENT ON COLUMN keypool.active_alerts.key_id IS 'Key concerned, if one.';
COMMENT ON COLUMN keypool.active_alerts.hint IS 'Masked form of that key.';
COMMENT ON COLUMN keypool.active_alerts.message IS 'The trouble in words.';
COMMENT ON COLUMN keypool.active_alerts.raised_at IS 'When it was first seen.';
COMMENT ON COLUMN keypool.active_alerts.last_seen_at IS 'When it was last seen to persist.';
COMMENT ON COLUMN keypool.active_alerts.details IS 'The figures behind the message.';

COMMENT ON VIEW keypool.alert_history IS 'All alerts, those that last included, newest first.';
COMMENT ON COLUMN keypool.alert_history.alert_id IS 'Id of the alert.';
COMMENT ON COLUMN keypool.alert_history.severity IS 'info, warning or critical.';
COMMENT ON COLUMN keypool.alert_history.kind IS 'What kind of trouble.';
COMMENT ON COLUMN keypool.alert_history.provider IS 'Provider concerned, if one.';
COMMENT ON COLUMN keypool.alert_history.key_id IS 'Key concerned, if one.';
COMMENT ON COLUMN keypool.alert_history.hint IS 'Masked form of that key.';
COMMENT ON COLUMN keypool.alert_history.message IS 'The trouble in words.';
COMMENT ON COLUMN keypool.alert_history.raised_at IS 'When it was first seen.';
COMMENT ON COLUMN keypool.alert_history.cleared_at IS 'When it was over; NULL while it lasts.';
COMMENT ON COLUMN keypool.alert_history.duration IS 'How long it lasted, or has lasted so far.';
COMMENT ON COLUMN keypool.alert_history.details IS 'The figures behind the message.';

COMMENT ON VIEW keypool.worker_status IS 'The background worker and the pool of this database.';
COMMENT ON COLUMN keypool.worker_status.pid IS 'Process id of the worker; NULL when none runs.';
COMMENT ON COLUMN keypool.worker_status.state IS 'What the worker is doing.';
COMMENT ON COLUMN keypool.worker_status.started_at IS 'When the worker started.';
COMMENT ON COLUMN keypool.worker_status.uptime IS 'How long it has been running.';
COMMENT ON COLUMN keypool.worker_status.last_cycle_at IS 'When it last looked for due work.';
COMMENT ON COLUMN keypool.worker_status.keys_watched IS 'Keys that it checks.';
COMMENT ON COLUMN keypool.worker_status.checks_done IS 'Checks since it started.';
COMMENT ON COLUMN keypool.worker_status.checks_failed IS 'Those of them that failed.';
COMMENT ON COLUMN keypool.worker_status.checks_in_flight IS
  'Checks waiting for a provider''s answer.';
COMMENT ON COLUMN keypool.worker_status.pool_keys IS 'Keys of this database in shared memory.';
COMMENT ON COLUMN keypool.worker_status.pool_slots IS 'Room for keys there (keypool.max_keys).';
COMMENT ON COLUMN keypool.worker_status.evictions IS
  'Idle keys that had to make room; many ask for more slots.';
COMMENT ON COLUMN keypool.worker_status.last_error IS 'Last failure of the worker itself.';
