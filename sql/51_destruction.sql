-- The end of keys: owners forgotten, time run out, keys that came with a request.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set VERBOSITY terse
-- True once the condition is: the worker acts by itself.
CREATE FUNCTION pg_temp.becomes(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  so boolean;
BEGIN
  FOR i IN 1 .. 1000 LOOP
    EXECUTE 'SELECT ' || condition INTO so;
    EXIT WHEN so;
    PERFORM pg_sleep(0.02);
  END LOOP;
  RETURN so;
END $$;
CREATE FUNCTION pg_temp.key_row(wanted bigint) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', name, envelope IS NULL, fingerprint IS NULL, hint, base_url, revoke_reason)
  FROM keypool.api_keys WHERE id = wanted
$$;

-- A user is forgotten: his keys, those revoked before among them, and what his requests hold.
SELECT add_key('openai', pg_temp.key('alic'), user_id => 'alice') AS alice \gset
SELECT add_key('groq', 'gsk_' || repeat('a', 40), user_id => 'alice',
               base_url => 'https://groq.example.com/v1') AS alice2 \gset
SELECT add_key('openai', pg_temp.key('alol'), 'old', user_id => 'alice') AS alice3 \gset
SELECT revoke_key(:alice3, 'lost');
SELECT add_key('openai', pg_temp.key('bobs'), user_id => 'bob') AS bob \gset
SELECT add_key('openai', pg_temp.key('acme'), organization_id => 'acme') AS acme \gset
SELECT add_key('openai', pg_temp.key('albo'), 'both', user_id => 'alice', organization_id => 'acme')
  AS both \gset
SELECT add_key('openai', pg_temp.key('syst')) AS system \gset
INSERT INTO keypool.chat_completion_requests
  (provider, model, user_id, organization_id, api_key_id, api_key_fingerprint, error_message,
   metadata, status, cost_usd, input_tokens, request_id, session_id)
SELECT 'openai', 'gpt-4', user_id, organization_id, key, decode(repeat('ab', 32), 'hex'),
       'said by ' || user_id, '{"prompt": "mine"}', 'failed', 0.5, 10, 'r' || n, 's' || n
FROM (VALUES (1, 'alice', NULL, :alice), (2, 'alice', 'acme', :acme), (3, 'bob', 'acme', :acme),
             (4, 'bob', NULL, :alice2), (5, 'bob', NULL, :bob)) v (n, user_id, organization_id, key);
SELECT log_request('openai', 'gpt-4', 'alice', input_tokens => 7) > 0;
CREATE TEMP VIEW totals AS
  SELECT user_id, organization_id, api_key_id, requests, errors, tokens, cost_usd
  FROM keypool.request_costs;
CREATE TEMP TABLE before AS TABLE totals;
CREATE TEMP VIEW log AS
  SELECT request_id, user_id, api_key_fingerprint IS NULL AS no_fingerprint, error_message,
         metadata, session_id, cost_usd
  FROM keypool.chat_completion_requests WHERE request_id IS NOT NULL ORDER BY request_id;
SELECT forget_user('alice');
SELECT * FROM log;
SELECT pg_temp.key_row(id) FROM keypool.api_keys ORDER BY id;
SELECT pg_temp.failure($$SELECT pick_key('groq', user_id => 'alice')$$) LIMIT 1;
SELECT right(pick_key('openai', user_id => 'bob'), 4);
SELECT count(*) FROM (TABLE totals EXCEPT TABLE before UNION ALL TABLE before EXCEPT TABLE totals) d;
SELECT keypool.fold_requests() IS NOT NULL;
SELECT count(*) FROM (TABLE totals EXCEPT TABLE before UNION ALL TABLE before EXCEPT TABLE totals) d;
-- Again there is nothing to do, for a user nobody knows neither.
SELECT forget_user('alice'), forget_user('nobody'), forget_user($$'; DROP TABLE x --$$);
SELECT forget_user(NULL);
-- What was forgotten can be told anew.
SELECT add_key('openai', pg_temp.key('alic'), user_id => 'alice') > :system;

-- An organization: its keys and its requests, not those keys of users that name it.
SELECT forget_organization('acme');
SELECT * FROM log WHERE error_message IS NULL;
SELECT pg_temp.key_row(:acme);
SELECT forget_organization('acme');
-- A rollback takes it back.
BEGIN;
SELECT forget_user('bob');
ROLLBACK;
SELECT pg_temp.key_row(:bob);
SELECT right(pick_key('openai', user_id => 'bob'), 4);

-- Time runs out: the worker destroys the key, which is still shown as expired.
UPDATE keypool.api_keys SET expires_at = clock_timestamp() WHERE id = :bob;
SELECT pg_temp.becomes(format('envelope IS NULL FROM keypool.api_keys WHERE id = %s', :bob));
SELECT pg_temp.key_row(:bob);
SELECT state, revoke_reason FROM keypool.api_keys_overview WHERE key_id = :bob;
SELECT status FROM check_key(:bob);
UPDATE keypool.api_keys SET expires_at = NULL WHERE id = :bob;
SELECT pg_temp.failure(format('SELECT rotate_key(%s, %L)', :bob, pg_temp.key('new1')));
-- By hand as well.
BEGIN;
UPDATE keypool.api_keys SET expires_at = clock_timestamp() WHERE id = :system;
SELECT keypool.expire_keys(10), keypool.expire_keys(10);
ROLLBACK;
SELECT pg_temp.key_row(:system);

-- Keys that came with a request.
CREATE TEMP VIEW traces AS
  SELECT provider, key_source, owner, right(hint, 4) AS hint, envelope IS NULL AS destroyed,
         date_trunc('hour', expires_at - now() + interval '30 min') AS lasts
  FROM keypool.api_keys WHERE name = 'trace' ORDER BY id;
CREATE FUNCTION pg_temp.headers(tail text, VARIADIC more text[] = '{}') RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('x-api-key-OPENAI', ' ' || pg_temp.key(tail) || ' ', 'Accept', '*/*')
          || jsonb_object(more) $$;
CREATE FUNCTION pg_temp.import(headers jsonb, user_id text = NULL, organization_id text = NULL)
RETURNS SETOF text LANGUAGE sql AS
$$ SELECT concat_ws(' ', i.provider, i.name, i.key_id IS NOT NULL, i.action)
   FROM import_trace_keys(headers, user_id, organization_id) i $$;
SELECT pg_temp.import(pg_temp.headers('tra1', 'X-User-ID', 'carol', 'X-Organization-ID', 'acme'));
SELECT * FROM traces;
SELECT right(pick_key('openai', user_id => 'carol'), 4);
-- With the next request nothing is written; when half of the time is gone, it starts anew.
SELECT xmin AS version FROM keypool.api_keys WHERE name = 'trace' \gset
SELECT pg_temp.import(pg_temp.headers('tra1'), 'carol');
SELECT xmin = :'version' FROM keypool.api_keys WHERE name = 'trace';
UPDATE keypool.api_keys SET expires_at = now() + interval '29 min' WHERE name = 'trace';
SELECT pg_temp.import(pg_temp.headers('tra1'), 'carol');
SELECT * FROM traces;
UPDATE keypool.api_keys SET expires_at = now() + interval '5 h' WHERE name = 'trace';
SELECT pg_temp.import(pg_temp.headers('tra1'), 'carol');
SELECT * FROM traces;
-- Another secret takes its place.
SELECT pg_temp.import(pg_temp.headers('tra2'), 'carol');
SELECT * FROM traces;
SELECT right(pick_key('openai', user_id => 'carol'), 4);
-- A key stored otherwise is left as it is.
SELECT add_key('openai', pg_temp.key('dave'), user_id => 'dave', expires_at => now() + '1 min') > 0;
SELECT pg_temp.import(pg_temp.headers('dave'), 'dave');
SELECT expires_at < now() + interval '1 h' FROM keypool.api_keys WHERE owner = 'dave';
SELECT add_key('openai', pg_temp.key('eve1'), 'trace', user_id => 'eve') > 0;
SELECT pg_temp.import(pg_temp.headers('eve1'), 'eve');
SELECT pg_temp.import(pg_temp.headers('eve2'), 'eve');
-- Who they are stored for: the arguments go before the headers, a user before an organization.
SELECT pg_temp.import(pg_temp.headers('tra3', 'x-user-id', 'mallory'), 'frank', 'acme');
SELECT pg_temp.import(pg_temp.headers('tra4', 'x-user-id', '', 'x-organization-id', 'umbrella'));
SELECT owner FROM traces WHERE hint IN ('tra3', 'tra4');
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5'))$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5', 'X-User-ID', E'a\nb'))$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5', 'X-User-ID', 'a',
                                                               'x-user-id', 'b'))$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5') || '{"X-User-ID": 5}')$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5'), repeat('x', 256))$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(pg_temp.headers('tra5'), '')$$);
-- Without a key there is nothing to do, and nobody needs to be named.
SELECT pg_temp.import('{"Accept": "*/*", "X-API-Key": "x"}');
-- Bad values: each says so in its row, and none is repeated.
SELECT pg_temp.import('{"X-API-Key-OpenAI": "hunter2hunter2", "X-API-Key-Groq": ["gsk_aaaaaaaaaaaaa"],
  "X-API-Key-Gemini": null, "X-API-Key-Mistral": "a\u0007bbbbbbbbbbbbbbbbbbb", "X-API-Key-xAI": "",
  "X-API-Key-Cohere": "''; DROP TABLE keypool.api_keys; --", "x-api-key-together": "a",
  "X-API-KEY-TOGETHER": "b", "X-API-Key-Anthropic": {"a": 1}}', 'grace');
SELECT pg_temp.import(jsonb_build_object('X-API-Key-OpenAI', 'sk-' || repeat('a', 300),
  'X-API-Key-Groq', 'gsk_' || repeat('a', 9000)), 'grace');
SELECT count(*) FROM keypool.api_keys WHERE owner = 'grace';
SELECT pg_temp.failure($$SELECT pg_temp.import('["sk-proj-secret"]', 'grace')$$);
SELECT pg_temp.failure($$SELECT pg_temp.import('"sk-proj-secret"', 'grace')$$);
SELECT pg_temp.failure($$SELECT pg_temp.import(
  jsonb_build_object('a', repeat('a', 300000)), 'grace')$$);
SELECT import_trace_keys(NULL);

-- The worker removes what has died, and says so.
SELECT pg_temp.becomes($$state = 'clean' FROM keypool.destruction_status$$);
SELECT pending_since IS NULL, cleaned_at <= now(), pages_wiped >= 0, waiting_for, waiting_for_pid
FROM keypool.destruction_status;
