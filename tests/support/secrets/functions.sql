-- Calls every function of the extension that the other scripts do not, so that each has run once with
-- every logging switched on; secrets where they take any. `:hooks` and `:provider` are addresses of the
-- stand-in. The order is that of sql/install.

-- Keys.
UPDATE keypool.providers SET base_url = :'provider' WHERE name IN ('openai', 'anthropic', 'gateway');
SELECT add_key('openai', '<<openai one>>', 'one', user_id => 'ann') AS one \gset
SELECT add_key('openai', '<<openai two>>', 'two') AS two \gset
SELECT rotate_key(:one, '<<openai rotated>>');
SELECT action FROM import_keys('{"providers": {"openai": {"api_keys": [
  {"key": "<<openai imported>>", "name": "imported"}], "models": [{"name": "gpt-leak", "input_cost_per_1k_tokens": 0.03,
  "output_cost_per_1k_tokens": 0.06}]}}, "global": {"fallback_chain": ["openai", "anthropic"]}}');
SELECT action FROM import_env_keys();
SELECT resolve_key('<<openai two>>') = :two;
SELECT ok FROM validate_key('openai', '<<openai validated>>');
SELECT import_fernet('gAAAAABpH-0gEBESExQVFhcYGRobHB0eHyfegY7renvOPJm7BTsx74QJQWc_e7SjS47X3SQplVr0m2Pg54if1ksr3Bv4210xUvI0tg7Pl3l3im0Q71FoTQj2yK4GolaTvwOwisiPeDsy',
  :'fernet_key', 'openai');
SELECT import_aes_gcm('030a11181f262d343b424950f1e4989abe647872492dd7bf5f105c14df5cb386fdd8dda1d6b36413f529bfb57c8d0f58db8d3acc7cca7f2559d69bac7063c8319c1f1cd3',
  :'password', 'openai');
SELECT action FROM import_trace_keys('{"X-API-Key-OpenAI": "<<openai traced>>", "Authorization": "Bearer <<openai bearer>>"}', 'bob');

-- Picks and their outcome. What they answer is the caller's; it is not looked through.
SELECT length(pick_key('openai')) > 0, length(pick_key('openai', 'ann')) > 0;
SELECT lease_id AS lease, key_id AS picked FROM acquire_key('openai', 'ann') \gset
SELECT release_key(:lease);
SELECT count(*) FROM explain_pick('openai', 'ann');
SELECT count(*) FROM available_providers('ann');
SELECT mark_key_error(:one, 'rate_limit', 429, '1 second', '{"retry-after": "1"}', 'slow down <<openai in a message>>');
SELECT mark_key_success(:one, 12, '{"x-ratelimit-remaining-requests": "5"}');
SELECT get_usage_stats('openai') IS NOT NULL;
SELECT length(dev_key()) > 0;

-- The log.
SELECT lease_id AS lease FROM acquire_key('openai') \gset
SELECT log_request('openai', 'gpt-leak', lease_id => :lease, input_tokens => 10, output_tokens => 5,
  error_message => 'Incorrect API key provided: <<openai echoed in the log>>');
SELECT log_request('openai', 'gpt-leak', 'ann', api_key => '<<openai two>>', request_id => 'r1');
SELECT log_requests('[{"provider": "openai", "model": "m", "user_id": "bob", "api_key": "<<openai stranger>>"},
  {"provider": "openai", "model": "m", "user_id": "ann", "created_at": "2026-01-01T00:00:00Z"}]');
UPDATE keypool.chat_completion_requests SET output_tokens = 7 WHERE request_id = 'r1';
SELECT estimate_cost('openai', 'gpt-leak', 1000);
SELECT keypool.fold_requests(), keypool.rebuild_rollups();
SELECT * FROM backfill_requests();
SELECT * FROM reprice_requests();
CREATE TABLE gateway_log (id bigint PRIMARY KEY, user_id text, provider text, model text, api_key text,
  created_at timestamptz);
INSERT INTO gateway_log SELECT n, 'ann', 'openai', 'm', NULL, now() - n * interval '1 minute'
  FROM generate_series(1, 20) n;
SET client_min_messages = warning;
SELECT import_requests('gateway_log', NULL, true);
INSERT INTO gateway_log VALUES (21, 'ann', 'openai', 'm', NULL, now());
SELECT import_requests('gateway_log', '{"metadata": {"columns": ["id"]}}');
SELECT keypool.stop_following('gateway_log');
RESET client_min_messages;
SELECT count(*) FROM keypool.unfolded_requests();
SELECT keypool.tend_request_partitions(2), keypool.make_request_partitions(1),
  keypool.drop_request_partitions(), keypool.drop_detached_partition(),
  keypool.ensure_request_partitions(current_date, current_date + 12), keypool.add_up_key_totals();
BEGIN;
SELECT keypool.has_unbooked_requests(partition), keypool.try_detach_partition(day, partition)
  FROM keypool.request_partitions() ORDER BY day DESC LIMIT 1;
TRUNCATE keypool.chat_completion_requests;
ROLLBACK;
BEGIN;
SELECT keypool.attach_without_scan('2020-01-01', 'SELECT 1');
ROLLBACK;

-- What a restore calls.
INSERT INTO keypool.providers SELECT * FROM keypool.providers WHERE name = 'xai';
INSERT INTO keypool.model_prices OVERRIDING USER VALUE SELECT * FROM keypool.model_prices WHERE builtin LIMIT 1;
INSERT INTO keypool.request_dump SELECT (jsonb_populate_record(NULL::keypool.request_dump,
  to_jsonb(r) || '{"id": 1000001, "created_at": "2025-01-01"}')).* FROM keypool.chat_completion_requests r LIMIT 1;

-- Figures.
SELECT length(prometheus_metrics()) > 0;
SELECT api_key_tracking_quality_report(), api_key_tracking_trend_report();
SELECT count(*) FROM import_prices('{"gpt-leak-2": {"litellm_provider": "openai", "mode": "chat",
  "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}}');

-- Budgets, limits, webhooks, roles.
INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd) VALUES ('user', 'ann', 'day', 1000);
INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', 'ann', 1000);
SELECT add_webhook(:'hooks', '<<none signing>>');
SELECT grant_keypool('keeper', 'admin'), revoke_keypool('onlooker');
UPDATE keypool.alert_webhooks SET secret = '<<none signing anew>>';
COPY keypool.alert_webhooks (url, secret) FROM stdin (DELIMITER ' ');
http://127.0.0.1:9/ <<none copied webhook>>
\.

-- Alerts, which webhooks are told.
SELECT mark_key_error(:one, 'authentication', 401, message => 'Incorrect API key provided: <<openai one>>');

-- One's own keys.
SET keypool.user_id = 'ann';
SELECT current_keypool_user();
SELECT add_my_key('openai', '<<openai my own>>', 'mine') AS mine \gset
SELECT * FROM my_keys();
SELECT * FROM my_usage();
SELECT revoke_my_key(:mine, 'lost');
SET ROLE member;
SELECT * FROM my_keys();
SELECT count(*) FROM keypool.api_keys;
RESET ROLE;
RESET keypool.user_id;

-- The worker, rotation, destruction, the audit log.
SELECT status FROM check_key(:one);
SELECT count(*) FROM check_keys('openai');
SELECT rotate_data_key() > 0;
SELECT rotate_root_key() IS NOT NULL;
SELECT revoke_key(:two, 'lost');
SELECT forget_user('ann'), forget_organization('acme');
SELECT keypool.expire_keys(10);
SELECT ok, problem FROM verify_audit_log();
SELECT keypool.prune_audit_log();
SELECT prometheus_metrics();
