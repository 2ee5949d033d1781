-- Keys and requests of one's own: whom the session acts for, the end user's functions, what
-- row-level security lets see, and that callers log as ever.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
SET client_min_messages = warning;
CREATE ROLE regress_login NOINHERIT;
CREATE ROLE regress_member;
CREATE ROLE regress_caller;
CREATE ROLE regress_reader;
CREATE ROLE regress_admin;
GRANT regress_member, regress_caller TO regress_login;
RESET client_min_messages;
SELECT grant_keypool('regress_member', 'member');
SELECT grant_keypool('regress_reader', 'reader');
SELECT grant_keypool('regress_caller', 'caller');
SELECT grant_keypool('regress_admin', 'admin');

-- Whom the session acts for.
SELECT current_keypool_user() IS NULL;
SET keypool.user_id = 'ann';
SELECT current_keypool_user();
SET ROLE regress_member;
SELECT current_keypool_user();
SET keypool.user_id = 'bob';
SELECT set_config('keypool.user_id', 'bob', true);
RESET keypool.user_id;
ALTER ROLE regress_member SET keypool.user_id = 'bob';
CREATE FUNCTION pg_temp.as_bob() RETURNS text LANGUAGE sql SET keypool.user_id = 'bob'
AS $$ SELECT current_keypool_user() $$;
SET request.jwt.claims = '{"sub": "bob"}';
SELECT current_keypool_user();
RESET ROLE;
SET keypool.user_id = '';
-- A superuser's session is believed, as is that of a role with the privilege.
SELECT current_keypool_user();
SET request.jwt.claims = '{"role": "anon"}';
SELECT current_keypool_user() IS NULL;
SET request.jwt.claims = '{"sub": null}';
SELECT current_keypool_user() IS NULL;
SET request.jwt.claims = '';
SELECT current_keypool_user() IS NULL;
SET request.jwt.claims = '{"sub": "planted"';
SELECT pg_temp.failure($$ SELECT current_keypool_user() $$);
SET request.jwt.claims = '["planted"]';
SELECT pg_temp.failure($$ SELECT current_keypool_user() $$);
SET request.jwt.claims = '{"sub": 7}';
SELECT pg_temp.failure($$ SELECT current_keypool_user() $$);
SET request.jwt.claims = '{"sub": "ann"}';
-- Not that of one without it, to whatever role it switches.
SET SESSION AUTHORIZATION regress_login;
SET ROLE regress_member;
SELECT current_keypool_user() IS NULL;
SET ROLE regress_caller;
SELECT current_keypool_user() IS NULL;
RESET ROLE;
RESET SESSION AUTHORIZATION;
GRANT SET ON PARAMETER keypool.user_id TO regress_login;
SET SESSION AUTHORIZATION regress_login;
SET ROLE regress_member;
SELECT current_keypool_user();
RESET ROLE;
RESET SESSION AUTHORIZATION;
REVOKE SET ON PARAMETER keypool.user_id FROM regress_login;
RESET request.jwt.claims;

-- A user's keys.
SELECT add_key('openai', pg_temp.key('syst'));
SELECT add_key('openai', pg_temp.key('orga'), organization_id => 'org');
SELECT add_key('openai', pg_temp.key('bob1'), user_id => 'bob');
SET ROLE regress_member;
SELECT pg_temp.failure($$ SELECT add_my_key('openai', pg_temp.key('none')) $$);
SELECT pg_temp.failure($$ SELECT revoke_my_key(1) $$);
SELECT count(*) FROM my_keys();
SELECT count(*) FROM my_usage();
RESET ROLE;
SET keypool.user_id = 'ann';
SET ROLE regress_member;
SELECT add_my_key('openai', pg_temp.key('ann1'));
SELECT add_my_key('OpenAI', pg_temp.key('ann2'), 'mine', '{gpt-4*}', 'eu', 'infinity');
-- The secret may be another's too; twice one's own it is not.
SELECT add_my_key('openai', pg_temp.key('bob1'), 'as bob');
SELECT pg_temp.failure($$ SELECT add_my_key('openai', pg_temp.key('ann1')) $$);
SELECT pg_temp.failure($$ SELECT add_my_key('openai', pg_temp.key('ann3'), 'mine') $$);
SELECT pg_temp.failure($$ SELECT add_my_key('openai', 'short') $$);
SELECT pg_temp.failure($$ SELECT add_my_key('opnai', pg_temp.key('ann3')) $$);
SELECT pg_temp.failure($$ SELECT add_my_key(NULL, pg_temp.key('ann3')) $$);
SELECT pg_temp.failure($$ SELECT add_my_key('openai', NULL) $$);
SELECT pg_temp.failure($$ SELECT add_my_key('gateway', 'dev_local_dev@localhost_local_development') $$);
SELECT key_id, provider, name, right(hint, 4), state, available, models, region, expires_at
FROM my_keys();
SELECT key_id, owner, name FROM keypool.user_api_keys ORDER BY 1;
SELECT id, user_id, name FROM keypool.api_keys ORDER BY 1;
SELECT key_id FROM keypool.pool_keys() ORDER BY 1;
SELECT envelope FROM keypool.api_keys;
SELECT fingerprint FROM keypool.api_keys;
UPDATE keypool.api_keys SET weight = 2;
DELETE FROM keypool.api_keys;
SELECT * FROM keypool.api_keys_overview;
SELECT pick_key('openai', 'ann');

-- Another's key is no different from one that there is not.
SELECT pg_temp.failure($$ SELECT revoke_my_key(3) $$);
SELECT pg_temp.failure($$ SELECT revoke_my_key(2) $$);
SELECT pg_temp.failure($$ SELECT revoke_my_key(1) $$);
SELECT pg_temp.failure($$ SELECT revoke_my_key(4711) $$);
SELECT pg_temp.failure($$ SELECT revoke_my_key(NULL) $$);
SELECT revoke_my_key(5, 'old');
SELECT revoke_my_key(5);
SELECT key_id, name FROM my_keys();
SELECT id, revoke_reason FROM keypool.api_keys WHERE revoked_at IS NOT NULL;
RESET ROLE;
SELECT id, envelope IS NULL AS destroyed FROM keypool.api_keys ORDER BY 1;

-- What one user can store is bounded: keys at a provider, and revoked ones a day.
SET ROLE regress_member;
SELECT count(add_my_key('openai', pg_temp.key('n' || n))) FROM generate_series(1, 18) AS n;
SELECT pg_temp.failure($$ SELECT add_my_key('openai', pg_temp.key('over')) $$);
SELECT add_my_key('groq', 'gsk_' || repeat('k', 52)) > 0;
DO $$
BEGIN
  FOR n IN 1 .. 98 LOOP
    PERFORM revoke_my_key(max(key_id)) FROM my_keys() WHERE provider = 'groq';
    PERFORM add_my_key('groq', 'gsk_' || repeat('k', 49) || to_char(n, 'FM000'));
  END LOOP;
END $$;
SELECT revoke_my_key(key_id) FROM my_keys() WHERE provider = 'groq';
SELECT pg_temp.failure($$ SELECT add_my_key('groq', 'gsk_' || repeat('k', 49) || 'day') $$);
RESET ROLE;
SET keypool.user_id = 'bob';
SET ROLE regress_member;
SELECT add_my_key('groq', 'gsk_' || repeat('k', 49) || 'bob') > 0;
SELECT name, right(hint, 4) FROM my_keys();
RESET ROLE;

-- Requests.
RESET keypool.user_id;
SET ROLE regress_caller;
SELECT log_request('openai', 'gpt-4', 'ann', api_key_id => 4, input_tokens => 10, output_tokens => 5,
                   cost_usd => 0.25) > 0;
SELECT log_request('openai', 'gpt-4', 'ann', api_key_id => 1, status => 'failed') > 0;
SELECT log_request('groq', 'llama', 'bob', cost_usd => 1) > 0;
INSERT INTO keypool.chat_completion_requests (provider, model, user_id)
  VALUES ('openai', 'gpt-4', 'ann') RETURNING id IS NOT NULL, created_at = now();
INSERT INTO keypool.chat_completion_requests (provider, model, user_id, request_id)
  VALUES ('openai', 'gpt-4', 'bob', 'r') ON CONFLICT DO NOTHING;
INSERT INTO keypool.chat_completion_requests (provider, model, user_id, request_id)
  VALUES ('openai', 'gpt-4', 'bob', 'r') ON CONFLICT DO NOTHING RETURNING id;
COPY keypool.chat_completion_requests (provider, model, user_id) FROM STDIN (FORMAT csv);
openai,gpt-4,ann
openai,gpt-4,bob
\.
SELECT count(id) FROM keypool.chat_completion_requests;
SELECT user_id FROM keypool.chat_completion_requests;
RESET ROLE;
SET keypool.user_id = 'ann';
SET ROLE regress_member;
SELECT id, provider, user_id, api_key_id, cost_usd FROM keypool.chat_completion_requests
ORDER BY id;
SELECT count(*) FROM keypool.chat_completion_requests WHERE user_id = 'bob' OR user_id IS NULL;
SELECT metadata FROM keypool.chat_completion_requests;
INSERT INTO keypool.chat_completion_requests (provider) VALUES ('openai');
\copy keypool.chat_completion_requests (provider) FROM '/dev/null'
SELECT day = (now() AT TIME ZONE 'UTC')::date AS today, provider, model, key_source, requests,
       errors, tokens, cost_usd, unpriced_requests
FROM my_usage();
SELECT sum(requests) FROM my_usage(1);
SELECT pg_temp.failure($$ SELECT * FROM my_usage(0) $$);
SELECT pg_temp.failure($$ SELECT * FROM my_usage(367) $$);
SELECT pg_temp.failure($$ SELECT * FROM my_usage(NULL) $$);
SELECT requests, cost_total FROM my_keys() WHERE key_id = 4;
-- Those who look after all see all, whomever the session acts for.
SET ROLE regress_reader;
SELECT count(DISTINCT owner) FROM keypool.user_api_keys;
SET ROLE regress_admin;
SELECT count(*) FROM keypool.chat_completion_requests;
SELECT count(DISTINCT user_id) FROM keypool.api_keys;
UPDATE keypool.api_keys SET weight = 2 WHERE id = 3;
UPDATE keypool.chat_completion_requests SET model = 'gpt-5' WHERE user_id = 'bob';
DELETE FROM keypool.chat_completion_requests WHERE model = 'gpt-5';
RESET ROLE;

-- COPY by a caller passes because the policies let every row in, and no longer than they do.
CREATE POLICY regress_none ON keypool.chat_completion_requests AS RESTRICTIVE FOR INSERT
  WITH CHECK (user_id <> 'bob');
SET ROLE regress_caller;
\copy keypool.chat_completion_requests (provider, model, user_id) FROM '/dev/null'
RESET ROLE;
DROP POLICY regress_none ON keypool.chat_completion_requests;
-- As the caller, not as the owner: what others hang on the log runs with the caller's rights.
CREATE FUNCTION regress_who() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.session_id := current_user; RETURN NEW; END $$;
CREATE TRIGGER regress_who BEFORE INSERT ON keypool.chat_completion_requests
  FOR EACH ROW EXECUTE FUNCTION regress_who();
SET ROLE regress_caller;
SET search_path = keypool, public;
COPY chat_completion_requests (provider, model, user_id) FROM STDIN (FORMAT csv, HEADER);
provider,model,user
openai,gpt-4,carl
\.
\copy chat_completion_requests (provider, user_id) FROM '/dev/null' WHERE id > 0
RESET search_path;
BEGIN READ ONLY;
\copy keypool.chat_completion_requests (provider) FROM '/dev/null'
ROLLBACK;
RESET ROLE;
SELECT user_id, session_id FROM keypool.chat_completion_requests WHERE user_id = 'carl';
DROP TRIGGER regress_who ON keypool.chat_completion_requests;
DROP FUNCTION regress_who;

-- What one did not set, one can forget, and is nobody then.
SET keypool.user_id = 'ann';
SET ROLE regress_member;
RESET ALL;
SELECT current_keypool_user() IS NULL;
RESET ROLE;

-- What was granted is taken back.
SELECT revoke_keypool(r) FROM unnest('{regress_member,regress_reader,regress_caller,regress_admin}'
                                     ::regrole[]) AS r;
SELECT r FROM unnest('{regress_member,regress_caller,regress_admin}'::name[]) AS r
WHERE has_parameter_privilege(r, 'keypool.user_id', 'SET');
DROP EXTENSION pg_keypool CASCADE;
DROP OWNED BY regress_login, regress_member, regress_caller, regress_reader, regress_admin;
DROP ROLE regress_login, regress_member, regress_caller, regress_reader, regress_admin;
