# The tour of script/demo: each step says what it shows, shows the SQL, and shows the real answer.
# Sourced by script/demo after stage.sh.

chapter() {
  if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}

# show TEXT: a step whose SQL comes from stdin.
show() {
  local sql
  sql=$(cat)
  announce "$1" "$sql"
  run_sql "$database" -v ON_ERROR_STOP=1 -P format=wrapped <<<"$sql" >"$folder/answer"
  print_answer
}

# show_error TEXT: a step that is meant to end in an error.
show_error() {
  local sql
  sql=$(cat)
  announce "$1" "$sql"
  if run_sql "$database" -v ON_ERROR_STOP=1 -v VERBOSITY=verbose <<<"$sql" >"$folder/answer"; then
    print_answer
    die "this should have failed"
  fi
  print_answer
}

announce() {
  printf '\n-- %s\n' "$1"
  printf '%s\n' "$2" | sed '1s/^/demo=# /; 1!s/^/       /'
}

# Without the empty line that psql ends a table with, and the place in our source of an error.
print_answer() { sed -e '/^LOCATION: /d' -e '${/^$/d}' "$folder/answer"; }

worker_runs() {
  [ "$(run_sql "$database" -A -t <<<'SELECT count(pid) FROM keypool.worker_status')" = 1 ]
}

tour_installing() {
  chapter '1. Installing, and storing keys'
  run_sql postgres -v ON_ERROR_STOP=1 <<<'CREATE DATABASE demo'
  show 'In a server with shared_preload_libraries = '\''pg_keypool'\'', one statement:' <<'SQL'
CREATE EXTENSION pg_keypool;
SQL
  show 'No real provider is bothered: their base URLs become those of the stand-in.' <<'SQL'
UPDATE keypool.providers
SET base_url = regexp_replace(base_url, '^https://[^/]+', :'stand_in' || '/' || name)
WHERE name IN ('openai', 'anthropic', 'gemini') RETURNING name, base_url;
SQL
  show 'Keys of the system, of an organization, of a user. The secrets are psql variables:' <<'SQL'
SELECT add_key('openai', :'system_1', rate_limit => 1000) AS system_primary,
       add_key('openai', :'system_2') AS system_secondary,
       add_key('anthropic', :'anthropic') AS anthropic,
       add_key('gemini', :'gemini') AS gemini,
       add_key('openai', :'acme', organization_id => 'acme') AS acme,
       add_key('openai', :'alice', user_id => 'alice', daily_cost_limit => 5) AS alice;
SQL
  show 'What is stored: ciphertext, a fingerprint, and a hint for people.' <<'SQL'
SELECT id, provider, name, key_source, nullif(owner, '') AS owner, hint,
       left(encode(envelope, 'hex'), 16) || '…' AS envelope
FROM keypool.api_keys ORDER BY id;
SQL
}

tour_picking() {
  chapter '2. Picking'
  show 'The point of it all. Alice has a key of her own and gets that (shown on purpose):' <<'SQL'
SELECT pick_key('openai', user_id => 'alice');
SQL
  show 'The same choice with its receipt: for Alice, for Bob at Acme, for nobody in particular.' <<'SQL'
SELECT 'alice' AS asked_for, key_id, key_name, key_source, strategy, lease_id IS NOT NULL AS leased
FROM acquire_key('openai', user_id => 'alice')
UNION ALL
SELECT 'bob at acme', key_id, key_name, key_source, strategy, lease_id IS NOT NULL
FROM acquire_key('openai', user_id => 'bob', organization_id => 'acme')
UNION ALL
SELECT 'nobody', key_id, key_name, key_source, strategy, lease_id IS NOT NULL
FROM acquire_key('openai');
SQL
  show 'Why: every candidate, in the order in which they are asked.' <<'SQL'
SELECT position, key_id, key_name, key_source, eligible, reason
FROM explain_pick('openai', user_id => 'alice', organization_id => 'acme');
SQL
}

tour_watching() {
  chapter '3. Watching'
  await worker_runs
  show 'The worker tries all keys at their providers now, at once and free of charge:' <<'SQL'
SELECT key_id, healthy, status, http_status, latency_ms FROM check_keys() ORDER BY key_id;
SQL
  tell DEMO_SYSTEM_2 '"refuse"'
  show 'Now the provider revokes key 2. The next check finds out:' <<'SQL'
SELECT key_id, healthy, status, http_status, error FROM check_key(2);
SQL
  show 'A key whose requests are answered with 429 cools for as long as the provider said:' <<'SQL'
SELECT mark_key_error(1, 'rate_limit_exceeded', 429, headers => '{"retry-after": "120"}') AS class;
SQL
  show 'Neither is picked while that lasts:' <<'SQL'
SELECT key_id, key_name, key_source, eligible, reason FROM explain_pick('openai');
SQL
}

tour_failing_over() {
  chapter '4. Failing over'
  show_error 'Bob has no key, and no other is left at OpenAI. The error says when to retry:' <<'SQL'
SELECT pick_key('openai', user_id => 'bob');
SQL
  show 'A caller who can do with another provider says so, and goes on:' <<'SQL'
SELECT key_id, key_name, provider, key_source, base_url
FROM acquire_key('openai', user_id => 'bob', fallback => true);
SQL
}

tour_looking() {
  chapter '5. Looking at it'
  show 'Every key, masked:' <<'SQL'
SELECT key_id AS id, provider, name, hint, key_source AS source, owner, state, picks
FROM keypool.api_keys_overview ORDER BY key_id;
SQL
  show 'What is wrong with those that are out:' <<'SQL'
SELECT key_id AS id, state, failure_class, last_error,
       to_char(cooldown_until - now(), 'MI:SS') AS back_in
FROM keypool.api_keys_overview WHERE state <> 'healthy' ORDER BY key_id;
SQL
  show 'The providers:' <<'SQL'
SELECT provider, total_keys, healthy_keys, cooling_keys, unhealthy_keys, picks, errors,
       latency_p50_ms AS p50_ms
FROM keypool.provider_statistics ORDER BY provider;
SQL
  await alert_seen
  show 'Alerts (also sent as NOTIFY keypool_alerts):' <<'SQL'
SELECT severity, kind, key_id, message FROM keypool.active_alerts;
SQL
}

alert_seen() {
  [ "$(run_sql "$database" -A -t <<<'SELECT count(*) FROM keypool.active_alerts')" != 0 ]
}

tour_accounting() {
  chapter '6. Accounting for every request'
  show 'What the models cost, in dollars per million tokens:' <<'SQL'
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
VALUES ('openai', 'gpt-4o-mini', 0.15, 0.60), ('anthropic', 'claude-sonnet-4-5', 3, 15);
SQL
  show 'A request with its lease: the key, its owner and the cost are derived. The repeat is harmless.' <<'SQL'
SELECT lease_id FROM acquire_key('openai', user_id => 'alice') \gset
SELECT log_request('openai', 'gpt-4o-mini', user_id => 'alice', lease_id => :lease_id,
                   input_tokens => 1200, output_tokens => 340, processing_time_ms => 870,
                   request_id => 'req-1') AS id
FROM generate_series(1, 2);
SQL
  show 'A plain INSERT counts the same; one request is anonymous, and one has lost its key:' <<'SQL'
INSERT INTO keypool.chat_completion_requests
  (provider, model, api_key_id, input_tokens, output_tokens, cost_usd)
VALUES ('anthropic', 'claude-sonnet-4-5', 3, 2000, 500, 0.0135),
       ('anthropic', 'claude-sonnet-4-5', 3, 100, 50, 0.00105);
SELECT log_request('anthropic', 'claude-sonnet-4-5', input_tokens => 10) AS anonymous,
       log_request('openai', 'gpt-6-preview', user_id => 'carol', input_tokens => 10) AS lost;
SQL
  show 'How many requests of each hour carried a key, were anonymous, or lost theirs:' <<'SQL'
SELECT to_char(hour, 'HH24:MI') AS hour, total_requests AS total,
       requests_with_api_key AS with_key, anonymous_requests AS anonymous,
       potential_lookup_failures AS lost, tracking_rate_percent AS percent
FROM keypool.api_key_tracking_quality;
SQL
  show 'What it cost, and whom; an unknown price is never zero:' <<'SQL'
SELECT user_id, provider, model, key_name, requests, tokens, cost_usd, unpriced_requests AS unpriced
FROM keypool.request_costs ORDER BY cost_usd DESC NULLS LAST;
SQL
  show 'For Prometheus:' <<'SQL'
SELECT line FROM regexp_split_to_table(prometheus_metrics(), '\n') AS line
WHERE line ~ '^api_key_tracking';
SQL
}

tour_spending() {
  chapter '7. Keeping to a budget'
  show 'Dora may spend five cents a day:' <<'SQL'
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd)
VALUES ('Dora a day', 'user', 'dora', 'day', 0.05);
SQL
  show 'What a request may cost is reserved before it is made:' <<'SQL'
CREATE TABLE receipt AS
SELECT lease_id FROM acquire_key('anthropic', user_id => 'dora', model => 'claude-opus-4-1',
                                 estimated_cost => 0.03);
SELECT name, subject, limit_usd, spent_usd, reserved_usd, left_usd FROM keypool.budget_status;
SQL
  show_error 'So that another at the same time finds no room:' <<'SQL'
SELECT lease_id FROM acquire_key('anthropic', user_id => 'dora', model => 'claude-opus-4-1',
                                 estimated_cost => 0.03);
SQL
  show 'It cost less than that. What was reserved is given back, what was spent is exact:' <<'SQL'
SELECT log_request('anthropic', 'claude-opus-4-1', user_id => 'dora', input_tokens => 300,
                   output_tokens => 150, lease_id => lease_id) AS id
FROM receipt;
SELECT name, subject, limit_usd, spent_usd, reserved_usd, left_usd, used_percent AS percent
FROM keypool.budget_status;
SQL
  show 'Instead of refusing, a cheaper model may serve; the receipt says why:' <<'SQL'
UPDATE keypool.budgets SET action = 'fallback', fallback_model = 'claude-3-5-haiku-20241022'
WHERE name = 'Dora a day';
SELECT key_id, model, tried -> 0 ->> 'reason' AS instead_because
FROM acquire_key('anthropic', user_id => 'dora', model => 'claude-opus-4-1',
                 estimated_tokens => 2000);
SQL
}

# Nothing is sealed under an old data key any more.
resealed() {
  [ "$(run_sql demo -A -t <<<"SELECT remaining FROM keypool.reencryption_progress
    WHERE what = 'data_key'")" = 0 ]
}

tour_secrecy() {
  chapter '8. Keeping secrets'
  show 'What others see of a statement that holds a key:' <<'SQL'
SELECT add_key('groq', 'gsk_DemoGroqInPlainSight0000000000000007',
               rotation_interval => '90 days') AS key_id \;
SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid();
SQL
  show 'The key to the keys is replaced, and every key sealed anew …' <<'SQL'
SELECT rotate_data_key();
SQL
  await resealed
  show '… while picks go on:' <<'SQL'
SELECT what, state, total, done, remaining, data_keys_in_use AS in_use
FROM keypool.reencryption_progress;
SELECT pick_key('openai', user_id => 'alice');
SQL
  show 'Alice may look after her own key; the application says that it is her:' <<'SQL'
CREATE ROLE end_users;
SELECT grant_keypool('end_users', 'member');
BEGIN;
SET LOCAL keypool.user_id = 'alice';
SET LOCAL ROLE end_users;
SELECT key_id, provider, name, hint, state, cost_total FROM my_keys();
COMMIT;
SQL
  show_error 'She cannot be somebody else:' <<'SQL'
SET ROLE end_users;
SET keypool.user_id = 'bob';
SQL
  show 'She asks to be forgotten; what her requests cost stays known:' <<'SQL'
SELECT forget_user('alice');
SQL
  show 'Who did what, in a chain that shows whatever is changed behind it:' <<'SQL'
SELECT to_char(at, 'HH24:MI:SS') AS at, action, outcome, session_role AS who, key_id, times,
       left(details::text, 40) AS details
FROM keypool.audit_log ORDER BY id DESC LIMIT 6;
SELECT ok, entries, problem FROM verify_audit_log();
SQL
}

take_the_tour() {
  local database=demo
  tour_installing
  tour_picking
  tour_watching
  tour_failing_over
  tour_looking
  tour_accounting
  tour_spending
  tour_secrecy
}

tour_import() {
  local database=mine
  if [ "$(run_sql postgres -A -t \
    <<<"SELECT count(*) FROM pg_database WHERE datname = 'mine'")" = 0 ]; then
    run_sql postgres <<<'CREATE DATABASE mine'
    run_sql mine <<<'CREATE EXTENSION pg_keypool'
  fi
  chapter 'Your own keys, in the database "mine"'
  show 'The server imports the keys of its environment …' <<'SQL'
SELECT * FROM import_env_keys();
SQL
  await worker_runs
  show '… and tries them at their providers.' <<'SQL'
SELECT o.provider, o.name, o.hint, c.healthy, c.status, c.http_status, c.latency_ms
FROM check_keys() c JOIN keypool.api_keys_overview o USING (key_id) ORDER BY 1, 2;
SQL
  printf '\n%s\n' "$(psql_line mine)"
}
