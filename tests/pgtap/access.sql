-- What each level of grant_keypool may do, and what none may: read ciphertext, or write around the
-- functions.
SELECT plan(150);

CREATE EXTENSION pg_keypool;
SELECT add_key('openai', 'sk-pgtap-access-key-000000001');
CREATE TABLE public.access_source AS SELECT 1 AS id, now() AS created_at;
GRANT SELECT ON public.access_source TO PUBLIC;
CREATE ROLE access_member;
CREATE ROLE access_reader;
CREATE ROLE access_caller;
CREATE ROLE access_admin;
CREATE ROLE access_nobody;
GRANT USAGE ON SCHEMA tap TO PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tap TO PUBLIC;
SELECT grant_keypool('access_member', 'member');
SELECT grant_keypool('access_reader', 'reader');
SELECT grant_keypool('access_caller', 'caller');
SELECT grant_keypool('access_admin', 'admin');

-- May the role run the statement? What it would do is undone.
CREATE FUNCTION may(who regrole, statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SET LOCAL ROLE %s', who);
  BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'P0099';
  EXCEPTION
    WHEN insufficient_privilege THEN RESET ROLE; RETURN false;
    WHEN SQLSTATE 'P0099' THEN RESET ROLE; RETURN true;
  END;
END $$;

CREATE TABLE deeds (level int, statement text);
INSERT INTO deeds VALUES
  (0, 'SELECT current_keypool_user(), keypool.sees_all_users()'),
  (0, $$SELECT add_my_key('openai', 'sk-pgtap-access-key-000000007')$$),
  (0, $$SELECT revoke_my_key(add_my_key('openai', 'sk-pgtap-access-key-000000008'))$$),
  (0, 'SELECT * FROM my_keys(), my_usage()'),
  (0, 'SELECT * FROM keypool.user_api_keys'),
  (1, 'SELECT * FROM keypool.api_keys_overview'),
  (1, 'SELECT * FROM keypool.user_api_keys, keypool.system_api_keys'),
  (1, 'SELECT * FROM keypool.provider_statistics'),
  (1, 'SELECT * FROM keypool.active_alerts, keypool.alert_history'),
  (1, 'SELECT * FROM keypool.worker_status'),
  (1, 'SELECT * FROM keypool.webhook_status'),
  (1, 'SELECT * FROM keypool.destruction_status'),
  (1, 'SELECT * FROM keypool.api_key_tracking_quality, keypool.api_key_tracking_trend'),
  (1, 'SELECT * FROM keypool.key_source_usage, keypool.request_costs, keypool.model_usage, '
      'keypool.model_comparison, keypool.pricing_quality'),
  (1, 'SELECT api_key_tracking_quality_report(), api_key_tracking_trend_report()'),
  (1, $$SELECT get_usage_stats('openai')$$),
  (1, 'SELECT prometheus_metrics()'),
  (1, $$SELECT estimate_cost('openai', 'gpt-4', 1)$$),
  (1, 'SELECT * FROM keypool.model_prices'),
  (1, 'SELECT * FROM keypool.session_costs, keypool.trace_costs'),
  (1, 'SELECT * FROM keypool.import_progress'),
  (1, 'SELECT * FROM keypool.recommendations, keypool.budget_forecast'),
  (1, 'SELECT * FROM keypool.caller_usage'),
  (1, 'SELECT * FROM keypool.budget_status, keypool.budget_history'),
  (2, $$SELECT pick_key('openai')$$),
  (2, $$SELECT * FROM acquire_key('openai')$$),
  (2, $$SELECT * FROM explain_pick('openai')$$),
  (2, $$SELECT * FROM available_providers()$$),
  (2, $$SELECT mark_key_success(1)$$),
  (2, $$SELECT mark_key_error(1, 'unheard of')$$),
  (2, $$SELECT resolve_key('sk-pgtap-access-key-000000001')$$),
  (2, $$SELECT * FROM validate_key('openai', 'x')$$),
  (2, $$SELECT log_request('openai', 'gpt-4', api_key_id => 1)$$),
  (2, $$SELECT log_requests('[{"provider": "openai", "model": "gpt-4", "api_key": "unknown"}]')$$),
  (2, $$INSERT INTO keypool.chat_completion_requests (provider, model, request_id)
        VALUES ('openai', 'gpt-4', 'r') ON CONFLICT DO NOTHING RETURNING id, created_at$$),
  (2, $$SELECT * FROM import_trace_keys('{"X-API-Key-OpenAI": "sk-pgtap-access-key-000000009"}', 'u')$$),
  (3, $$SELECT add_key('openai', 'sk-pgtap-access-key-000000002')$$),
  (3, $$SELECT rotate_key(1, 'sk-pgtap-access-key-000000003')$$),
  (1, $$SELECT count(*) FROM keypool.reencryption_progress$$),
  (1, $$SELECT count(*) FROM keypool.keys_due_for_rotation$$),
  (3, $$SELECT rotate_data_key()$$),
  (3, $$UPDATE keypool.api_keys SET rotation_interval = NULL$$),
  (3, $$SELECT revoke_key(1)$$),
  (3, $$SELECT forget_user('u'), forget_organization('o')$$),
  (3, $$SELECT * FROM import_keys('{"providers":{}}')$$),
  (3, $$SELECT import_fernet('gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD6Sr0eRvyi3Cr1w57AsPn9miynkYGwyCc_Bvay3s3OzGXEV6QKCHfoND43thLj2oRnd5pS3k06uPcyXLrtZN0-suxONzO5BAo51NzWQ4il8k',
        'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=', 'openai')$$),
  (3, $$SELECT import_aes_gcm('AAECAwQFBgcICQoLfKzREHkrCQyOk2TVGAF01vZepr4vjU7wCTw3XdOGpth+UoF4ESr34EAp7z8jERmiWy0aFw==',
        'correct horse', 'openai')$$),
  (3, $$UPDATE keypool.api_keys SET weight = 2 WHERE id = 1$$),
  (3, $$UPDATE keypool.providers SET strategy = 'random' WHERE name = 'openai'$$),
  (3, $$INSERT INTO keypool.providers (name, display_name) VALUES ('mine', 'Mine')$$),
  (3, 'SELECT dev_key()'),
  (3, $$INSERT INTO keypool.model_prices VALUES ('openai', 'gpt-4', 1, 1)$$),
  (3, 'SELECT * FROM keypool.chat_completion_requests'),
  (3, $$UPDATE keypool.chat_completion_requests SET user_id = 'u'$$),
  (3, 'DELETE FROM keypool.chat_completion_requests'),
  (3, $$INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', '*', 9)$$),
  (3, 'UPDATE keypool.caller_limits SET enabled = false'),
  (3, 'DELETE FROM keypool.caller_limits'),
  (3, $$SELECT import_requests('public.access_source')$$),
  (3, $$SELECT keypool.stop_following('public.access_source')$$),
  (3, 'SELECT * FROM backfill_requests()'),
  (3, $$SELECT import_prices('{}')$$),
  (3, 'SELECT * FROM reprice_requests()'),
  (3, 'SELECT * FROM keypool.request_import_refusals'),
  (3, 'DELETE FROM keypool.request_imports'),
  (3, $$SELECT add_webhook('https://example.com', 'a-secret-of-some-length')$$),
  (3, $$INSERT INTO keypool.alert_webhooks (url, secret)
        VALUES ('https://example.com', 'a-secret-of-some-length')$$),
  (3, 'UPDATE keypool.alert_webhooks SET enabled = false WHERE id = 1'),
  (3, 'DELETE FROM keypool.alert_webhooks WHERE url IS NULL'),
  (3, 'SELECT url, secret, events FROM keypool.alert_webhooks'),
  (3, 'SELECT * FROM keypool.webhook_deliveries'),
  (3, 'SELECT keypool.fold_requests() FROM keypool.rollup_state'),
  (3, 'SELECT keypool.rebuild_rollups()'),
  (3, $$INSERT INTO keypool.budgets (scope, period, limit_usd) VALUES ('global', 'day', 1)$$),
  (3, 'UPDATE keypool.budgets SET period = period'),
  (3, 'DELETE FROM keypool.budgets'),
  (3, 'SELECT * FROM keypool.audit_log'),
  (3, 'SELECT * FROM verify_audit_log()'),
  (9, $$UPDATE keypool.audit_log SET outcome = 'ok'$$),
  (9, 'DELETE FROM keypool.audit_log'),
  (9, 'TRUNCATE keypool.audit_log'),
  (9, $$INSERT INTO keypool.audit_log (id, at, action, outcome, times, hash)
        VALUES (1, now(), 'add_key', 'ok', 1, 'x')$$),
  (9, 'SELECT keypool.prune_audit_log()'),
  (9, $$SELECT keypool.note_access('grant_keypool', '{}')$$),
  (9, $$UPDATE keypool.request_imports SET importer = 'postgres'$$),
  (9, $$INSERT INTO keypool.request_import_notes VALUES (1, '{1}')$$),
  (9, 'TRUNCATE keypool.caller_limits'),
  (9, 'SELECT * FROM keypool.key_advice, keypool.model_advice'),
  (9, 'SELECT * FROM keypool.backfill(1)'),
  (9, 'SELECT keypool.expire_keys(1)'),
  (9, 'SELECT envelope FROM keypool.api_keys'),
  (9, 'SELECT fingerprint FROM keypool.api_keys'),
  (9, 'SELECT envelope FROM keypool.alert_webhooks'),
  (9, $$UPDATE keypool.alert_webhooks SET envelope = 'x'$$),
  (9, 'DELETE FROM keypool.webhook_deliveries'),
  (9, 'SELECT wrapped FROM keypool.data_keys'),
  (9, 'SELECT * FROM keypool.api_keys'),
  (9, $$UPDATE keypool.api_keys SET envelope = 'x' WHERE id = 1$$),
  (9, $$UPDATE keypool.api_keys SET user_id = 'u' WHERE id = 1$$),
  (9, 'DELETE FROM keypool.api_keys'),
  (9, $$INSERT INTO keypool.api_keys (provider, name, hint) VALUES ('openai', 'n', 'h')$$),
  (9, 'DELETE FROM keypool.data_keys'),
  (9, 'UPDATE keypool.key_state SET picks = 0'),
  (9, 'UPDATE keypool.usage_rollup SET requests = 0'),
  (9, 'SELECT * FROM keypool.budget_spending'),
  (9, 'UPDATE keypool.budget_spending SET spent_nano = 0'),
  (9, 'DELETE FROM keypool.request_changes'),
  (9, 'DELETE FROM keypool.alerts'),
  (9, $$SELECT grant_keypool('access_nobody', 'reader')$$),
  (9, $$SELECT revoke_keypool('access_nobody')$$),
  (9, $$SELECT keypool.revoke_members('access_nobody')$$),
  (9, 'CREATE TABLE keypool.theirs ()');

-- One line a deed: who may. For whom the session acts makes no difference.
SET keypool.user_id = 'access';
SELECT is(
  ARRAY[may('access_nobody', statement), may('access_member', statement),
        may('access_reader', statement), may('access_caller', statement),
        may('access_admin', statement)],
  ARRAY[false, level <= 0, level <= 1, level <= 2, level <= 3],
  CASE level WHEN 0 THEN 'from member on: ' WHEN 1 THEN 'from reader on: ' WHEN 2 THEN 'from caller on: '
             WHEN 3 THEN 'admin alone: ' ELSE 'none of them: ' END || statement)
FROM deeds;

-- Rows that security by row lets through are a member's own, so the others are granted none.
SELECT is(
  ARRAY[may('access_member', statement), may('access_reader', statement),
        may('access_caller', statement), may('access_admin', statement)],
  ARRAY[true, false, false, true], 'member and admin: ' || statement)
FROM unnest(ARRAY['SELECT name FROM keypool.api_keys',
                  'SELECT user_id FROM keypool.chat_completion_requests']) AS statement;
SELECT is_empty(
  $$ SELECT r FROM unnest('{access_nobody,access_member,access_reader}'::name[]) AS r
     WHERE has_parameter_privilege(r, 'keypool.user_id', 'SET') $$,
  'for whom a session acts is for callers and admins to say');

SELECT throws_ok($$ SELECT grant_keypool('access_nobody', 'root') $$, '22023',
  'unknown access level: ''root''', 'a level there is not');
SELECT throws_ok($$ SELECT grant_keypool('access_nobody', NULL) $$, '22023',
  'unknown access level: NULL', 'no level');
SELECT throws_ok($$ SELECT grant_keypool(0::oid::regrole, 'reader') $$, '42704',
  'role does not exist', 'a role there is not');

SELECT lives_ok($$ SELECT grant_keypool('access_caller', 'caller') $$, 'granting twice is fine');
SELECT lives_ok($$ SELECT revoke_keypool('access_admin') $$, 'an admin can be let go');
SELECT is_empty(
  $$ SELECT statement FROM deeds WHERE may('access_admin', statement) $$,
  'and can do nothing then');
SELECT ok(may('access_caller', $$SELECT pick_key('openai')$$), 'others are not touched by that');

-- A caller's own objects must not run with more rights than he has.
GRANT CREATE ON SCHEMA public TO access_caller;
SET ROLE access_caller;
CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
CREATE FUNCTION public.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
CREATE OPERATOR public.= (FUNCTION = public.equal, LEFTARG = text, RIGHTARG = text);
CREATE TEMP TABLE api_keys (id bigint);
CREATE TEMP TABLE pg_class (oid oid);
RESET ROLE;

-- What happens to a statement whose names are looked for where others can make objects.
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL search_path = pg_temp, public, pg_catalog;
  EXECUTE statement;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlerrm;
END $$;
CREATE TABLE outcomes (number serial, statement text, result text);
INSERT INTO outcomes (statement) VALUES
  ($$SELECT add_key('openai', 'sk-pgtap-access-key-000000004')$$),
  ($$SELECT pick_key('openai', user_id => 'u')$$),
  ($$SELECT * FROM acquire_key('openai', organization_id => 'o')$$),
  ($$SELECT * FROM explain_pick('openai', user_id => 'u')$$),
  ($$SELECT * FROM available_providers('u', 'o')$$),
  ($$SELECT rotate_key(1, 'sk-pgtap-access-key-000000005')$$),
  ($$SELECT resolve_key('sk-pgtap-access-key-000000005')$$),
  ($$SELECT * FROM validate_key('openai', 'sk-pgtap-access-key-000000005')$$),
  ($$SELECT * FROM import_keys('{"providers":{"openai":{"api_keys":[
       {"key":"sk-pgtap-access-key-000000006"}]}}}')$$),
  ($$SELECT log_request('openai', 'gpt-4', 'u', api_key => 'sk-pgtap-access-key-000000005')$$),
  ($$SELECT log_requests('[{"provider": "openai", "model": "gpt-4", "request_id": "r"}]')$$),
  ($$INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id)
     VALUES ('openai', 'gpt-4', 1)$$),
  ($$UPDATE keypool.chat_completion_requests SET model = 'gpt-5'$$),
  ($$SELECT estimate_cost('openai', 'gpt-4', 1)$$),
  ($$SELECT dev_key()$$),
  ($$SELECT import_requests('public.access_source')$$),
  ($$SELECT * FROM backfill_requests()$$),
  ($$SELECT mark_key_error(1, 'rate_limit', 429)$$),
  ($$SELECT get_usage_stats('openai')$$),
  ($$UPDATE keypool.api_keys SET weight = 2$$),
  ($$SELECT revoke_key(1)$$),
  ($$SELECT revoke_my_key(add_my_key('openai', 'sk-pgtap-access-key-000000009'))$$),
  ($$SELECT * FROM my_keys(), my_usage(), keypool.user_api_keys$$),
  ($$SELECT add_webhook('https://example.com', 'a-secret-of-some-length', enabled => false)$$),
  ($$INSERT INTO keypool.alert_webhooks (url, secret, events, enabled)
     VALUES ('https://example.com', 'a-secret-of-some-length', '{rate_limit}', false)$$),
  ($$SELECT grant_keypool('access_nobody', 'admin')$$),
  ($$SELECT revoke_keypool('access_nobody')$$),
  ($$SELECT * FROM keypool.api_keys_overview, keypool.provider_statistics$$);
DO $$
DECLARE
  row outcomes;
BEGIN
  FOR row IN SELECT * FROM outcomes ORDER BY number LOOP
    UPDATE outcomes SET result = outcome(row.statement) WHERE number = row.number;
  END LOOP;
END $$;
DROP OPERATOR public.= (text, text);
DROP FUNCTION public.equal, public.lower, public.now;
SELECT is(result, 'fine', 'in a hostile search_path: ' || statement) FROM outcomes ORDER BY number;
SELECT * FROM finish();
