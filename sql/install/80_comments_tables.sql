-- What \d+ says of schema, tables, columns, sequences, indexes and triggers. All comments stand in
-- the 80_ files, so that the SQL face can be read, and corrected, in one place.

COMMENT ON SCHEMA keypool IS 'Tables, views and internal functions of the extension pg_keypool.';

COMMENT ON TABLE keypool.providers IS
  'LLM providers. One INSERT adds one that speaks OpenAI''s API. Dumps keep added and edited rows.';
COMMENT ON COLUMN keypool.providers.name IS 'Name used in calls, such as openai.';
COMMENT ON COLUMN keypool.providers.display_name IS 'Name for people.';
COMMENT ON COLUMN keypool.providers.aliases IS 'Other names that calls may use for it.';
COMMENT ON COLUMN keypool.providers.base_url IS
  'Where its API starts; NULL when every key brings its own. Changing it redirects the checks.';
COMMENT ON COLUMN keypool.providers.auth_style IS
  'How a check sends the key: bearer (Authorization) or the header of that name; none: never.';
COMMENT ON COLUMN keypool.providers.check_path IS
  'Free request that tells a good key: path under base_url, or whole URL. NULL: format only.';
COMMENT ON COLUMN keypool.providers.key_pattern IS
  'Regular expression that a key must match; NULL when no format is known.';
COMMENT ON COLUMN keypool.providers.header_names IS
  'Headers in which callers pass a key of this provider.';
COMMENT ON COLUMN keypool.providers.env_names IS
  'Environment variables of the server that import_env_keys() reads.';
COMMENT ON COLUMN keypool.providers.strategy IS
  'How one of its keys is chosen; NULL follows keypool.default_strategy.';
COMMENT ON COLUMN keypool.providers.rotation_interval IS
  'How long a choice sticks before the strategy is asked again; 0 asks on every pick.';
COMMENT ON COLUMN keypool.providers.fallback_order IS
  'Place in the chain that acquire_key(fallback => true) walks, lowest first; NULL: not in it.';
COMMENT ON COLUMN keypool.providers.health_check IS 'Whether the worker checks its keys by itself.';
COMMENT ON COLUMN keypool.providers.enabled IS 'Whether its keys may be picked.';
COMMENT ON COLUMN keypool.providers.builtin IS
  'Row as installed. An edit clears it, and from then on pg_dump carries the row.';

COMMENT ON TABLE keypool.data_keys IS
  'Keys that encrypt or fingerprint API keys, wrapped by the root key, which is kept elsewhere.';
COMMENT ON COLUMN keypool.data_keys.number IS 'Number by which an envelope names its data key.';
COMMENT ON COLUMN keypool.data_keys.purpose IS
  'data (encrypts API keys) or fingerprint (recognises them).';
COMMENT ON COLUMN keypool.data_keys.wrapped IS 'The key itself, encrypted under the root key.';
COMMENT ON COLUMN keypool.data_keys.root_id IS
  'Tells which root key wrapped it, without revealing that.';
COMMENT ON COLUMN keypool.data_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN keypool.data_keys.retired_at IS
  'Since when nothing is sealed under it any more; NULL: in use.';

COMMENT ON TABLE keypool.api_keys IS
  'API keys, encrypted. Limits and the like may be updated; secrets change by rotate_key().';
COMMENT ON COLUMN keypool.api_keys.id IS 'Id of the key, never used again.';
COMMENT ON COLUMN keypool.api_keys.provider IS 'Provider that issued the key.';
COMMENT ON COLUMN keypool.api_keys.name IS
  'Name, unique among the live keys of one provider and owner.';
COMMENT ON COLUMN keypool.api_keys.user_id IS 'User who owns the key; NULL for the others.';
COMMENT ON COLUMN keypool.api_keys.organization_id IS
  'Organization that owns the key, or that its user belongs to.';
COMMENT ON COLUMN keypool.api_keys.key_source IS 'Kind of owner: user, organization or system.';
COMMENT ON COLUMN keypool.api_keys.owner IS
  'User or organization that owns the key; empty for the system.';
COMMENT ON COLUMN keypool.api_keys.envelope IS
  'Ciphertext (AES-256-GCM), bound to id, provider and owner; NULL once revoked.';
COMMENT ON COLUMN keypool.api_keys.fingerprint IS
  'Keyed hash that recognises the same secret; NULL once revoked.';
COMMENT ON COLUMN keypool.api_keys.hint IS 'Masked form of the secret, safe to show.';
COMMENT ON COLUMN keypool.api_keys.rate_limit IS 'Most requests an hour; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys.requests_per_minute IS 'Most requests a minute; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys.tokens_per_minute IS 'Most tokens a minute; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys.max_concurrency IS 'Most requests in flight; NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys.daily_cost_limit IS
  'Most US dollars a day (UTC); NULL: no limit.';
COMMENT ON COLUMN keypool.api_keys.weight IS
  'Share of picks relative to its neighbours, where strategies weigh.';
COMMENT ON COLUMN keypool.api_keys.models IS 'Only models the key serves; NULL: all.';
COMMENT ON COLUMN keypool.api_keys.region IS 'Region the key belongs to; NULL: any.';
COMMENT ON COLUMN keypool.api_keys.base_url IS
  'Where to send its requests; NULL: to the provider''s base_url.';
COMMENT ON COLUMN keypool.api_keys.expires_at IS
  'From then on it is not picked; NULL: never expires.';
COMMENT ON COLUMN keypool.api_keys.enabled IS 'Whether it may be picked.';
COMMENT ON COLUMN keypool.api_keys.created_at IS 'When it was added.';
COMMENT ON COLUMN keypool.api_keys.rotated_at IS 'When its secret was last replaced.';
COMMENT ON COLUMN keypool.api_keys.revoked_at IS 'When it was revoked, and its secret destroyed.';
COMMENT ON COLUMN keypool.api_keys.revoke_reason IS 'Why, as revoke_key() was told.';
COMMENT ON COLUMN keypool.api_keys.rotation_interval IS
  'How often the secret is to be replaced; an alert reminds of it. NULL: never.';

COMMENT ON TABLE keypool.key_state IS
  'Health and use of each key as last written by the worker; a restart begins from it.';
COMMENT ON COLUMN keypool.key_state.key_id IS 'The key, in keypool.api_keys.';
COMMENT ON COLUMN keypool.key_state.state IS 'healthy, cooling, unhealthy or half_open.';
COMMENT ON COLUMN keypool.key_state.cooldown_until IS 'When a cooling key may be tried again.';
COMMENT ON COLUMN keypool.key_state.failure_class IS
  'Class of its last failure, such as rate_limit.';
COMMENT ON COLUMN keypool.key_state.failure_streak IS 'Failures in a row.';
COMMENT ON COLUMN keypool.key_state.last_error IS 'Last failure in words, with secrets removed.';
COMMENT ON COLUMN keypool.key_state.last_error_at IS 'When that was.';
COMMENT ON COLUMN keypool.key_state.last_checked_at IS 'When the worker last checked the key.';
COMMENT ON COLUMN keypool.key_state.check_status IS 'What that check found.';
COMMENT ON COLUMN keypool.key_state.check_latency_ms IS 'How long it took, in milliseconds.';
COMMENT ON COLUMN keypool.key_state.next_check_at IS 'When the worker checks the key next.';
COMMENT ON COLUMN keypool.key_state.picks IS 'How often the key was picked.';
COMMENT ON COLUMN keypool.key_state.requests IS 'Requests reported to have used the key.';
COMMENT ON COLUMN keypool.key_state.errors IS 'Failures reported of the key.';
COMMENT ON COLUMN keypool.key_state.tokens IS 'Tokens its requests used.';
COMMENT ON COLUMN keypool.key_state.cost_nano IS
  'Cost of its requests, in billionths of a US dollar.';
COMMENT ON COLUMN keypool.key_state.cost_today_nano IS 'The same, on cost_day alone.';
COMMENT ON COLUMN keypool.key_state.cost_day IS 'Day (UTC) that cost_today_nano belongs to.';
COMMENT ON COLUMN keypool.key_state.last_used_at IS 'When the key was last picked.';
COMMENT ON COLUMN keypool.key_state.model_blocks IS
  'Models the key is not used for at present, as hash:microseconds since 2000.';
COMMENT ON COLUMN keypool.key_state.updated_at IS 'When the worker last wrote this row.';

COMMENT ON TABLE keypool.alerts IS 'What went wrong, one row a cause until it clears.';
COMMENT ON COLUMN keypool.alerts.id IS 'Id of the alert.';
COMMENT ON COLUMN keypool.alerts.kind IS 'What kind of trouble, such as key_unhealthy.';
COMMENT ON COLUMN keypool.alerts.subject IS 'What it is about; with kind it makes one cause.';
COMMENT ON COLUMN keypool.alerts.severity IS 'info, warning or critical.';
COMMENT ON COLUMN keypool.alerts.provider IS 'Provider concerned, if one.';
COMMENT ON COLUMN keypool.alerts.key_id IS 'Key concerned, if one.';
COMMENT ON COLUMN keypool.alerts.message IS 'The trouble in words.';
COMMENT ON COLUMN keypool.alerts.details IS 'The figures behind the message.';
COMMENT ON COLUMN keypool.alerts.raised_at IS 'When it was first seen.';
COMMENT ON COLUMN keypool.alerts.last_seen_at IS 'When it was last seen to persist.';
COMMENT ON COLUMN keypool.alerts.cleared_at IS 'When it was over; NULL while it lasts.';

COMMENT ON SEQUENCE keypool.api_keys_id_seq IS
  'Ids of keys. On its own, because a key''s id goes into its ciphertext before there is a row.';
COMMENT ON SEQUENCE keypool.alerts_id_seq IS 'Ids of alerts.';

COMMENT ON INDEX keypool.data_keys_one_fingerprint_key IS
  'Two fingerprint keys would not know duplicates.';
COMMENT ON INDEX keypool.api_keys_mirrored IS 'The keys that the pool holds whole.';
COMMENT ON INDEX keypool.api_keys_user IS
  'Finds a user''s keys, of which the pool holds none in advance.';
COMMENT ON INDEX keypool.api_keys_name IS 'One live key of a name per provider and owner.';
COMMENT ON INDEX keypool.api_keys_secret IS
  'One live key of a secret per provider and owner; finds it too.';
COMMENT ON INDEX keypool.alerts_one_per_cause IS 'One open alert a cause.';
COMMENT ON INDEX keypool.alerts_raised IS 'Alerts by time.';

COMMENT ON TRIGGER key_state_written ON keypool.key_state IS
  'Has the pool look again when somebody other than the worker writes, as a restore does';
COMMENT ON TRIGGER keys_changed ON keypool.api_keys IS 'Has the pool follow this table at COMMIT.';
COMMENT ON TRIGGER keys_changed ON keypool.providers IS 'Has the pool follow this table at COMMIT.';
COMMENT ON TRIGGER keys_truncated ON keypool.api_keys IS
  'marks the transaction; its commit makes every session look at all keys again';
COMMENT ON TRIGGER guard_api_key ON keypool.api_keys IS
  'Refuses plain changes to what is secret or bound to it.';
COMMENT ON TRIGGER replace_builtin_provider ON keypool.providers IS
  'Lets an inserted row, restored from a dump, replace the built-in one of its name.';
COMMENT ON TRIGGER mark_provider_edited ON keypool.providers IS
  'Clears builtin on an edited row, so that pg_dump carries it.';
