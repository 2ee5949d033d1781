-- Key management: add_key, rotate_key, revoke_key, resolve_key, validate_key, and the guard.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_keypool CASCADE;
CREATE EXTENSION pg_keypool;
RESET client_min_messages;
\pset format unaligned
\pset tuples_only on

-- What a statement fails with, as lines.
CREATE FUNCTION pg_temp.failure(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                          hint = PG_EXCEPTION_HINT;
  RETURN NEXT SQLSTATE || ' ' || message;
  IF detail <> '' THEN RETURN NEXT '  ' || detail; END IF;
  IF hint <> '' THEN RETURN NEXT '  ' || hint; END IF;
END $$;

-- A made-up key of OpenAI's shape.
CREATE FUNCTION pg_temp.key(tail text) RETURNS text LANGUAGE sql AS
$$ SELECT 'sk-proj-' || repeat('k', 24) || tail $$;

-- Names count up per provider and owner; the first free one is taken.
SELECT add_key('openai', pg_temp.key('s001'));
SELECT add_key('openai', pg_temp.key('s002'));
SELECT add_key('openai', pg_temp.key('s003'));
SELECT revoke_key(2, 'told to a chat room: ' || pg_temp.key('s002'));
SELECT add_key('OpenAI', pg_temp.key('s004'));
SELECT add_key('openai', pg_temp.key('s005'));
SELECT add_key('openai', pg_temp.key('u001'), user_id => 'u1');
SELECT add_key('openai', pg_temp.key('o001'), organization_id => 'o1');
SELECT add_key('claude', 'sk-ant-api03-' || repeat('k', 24) || 'a001', user_id => 'u1',
               organization_id => 'o1');
SELECT id, provider, name, key_source, owner, hint, revoked_at IS NOT NULL AS revoked, revoke_reason
FROM keypool.api_keys ORDER BY id;

-- All arguments arrive.
SELECT add_key('openai', pg_temp.key('full'), name => 'full', organization_id => 'o2',
               rate_limit => 1000, requests_per_minute => 60, tokens_per_minute => 90000,
               max_concurrency => 8, daily_cost_limit => 12.345678901, weight => 2.5,
               models => '{gpt-4*,o3}', region => 'eu', base_url => 'https://proxy.example/v1',
               expires_at => '2031-01-01 00:00:00+00', enabled => false);
SELECT rate_limit, requests_per_minute, tokens_per_minute, max_concurrency, daily_cost_limit,
       weight, models, region, base_url, expires_at = '2031-01-01 00:00:00+00', enabled
FROM keypool.api_keys WHERE name = 'full';

-- The secret is nowhere in the row, and two equal secrets have two different envelopes.
SELECT add_key('openai', pg_temp.key('s001'), user_id => 'u2');
SELECT count(*) FROM keypool.api_keys k WHERE k::text LIKE '%kkkkkkkk%'
   OR encode(envelope, 'escape') LIKE '%kkkkkkkk%';
SELECT count(DISTINCT envelope), count(DISTINCT fingerprint) FROM keypool.api_keys
WHERE id IN (1, (SELECT max(id) FROM keypool.api_keys));

-- The same secret twice for one owner, and a name twice.
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('s001')) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), name => 'primary') $$);
-- A revoked key blocks neither.
SELECT add_key('openai', pg_temp.key('s002'), name => 'again') > 0;

-- Unknown providers: near names, and nothing of a secret that was put in the wrong place.
SELECT pg_temp.failure($$ SELECT add_key('opnai', pg_temp.key('new1')) $$);
SELECT pg_temp.failure($$ SELECT add_key('nothing-like-it', pg_temp.key('new1')) $$);
SELECT pg_temp.failure($$ SELECT add_key(pg_temp.key('new1'), 'openai') $$);

-- Formats.
SELECT pg_temp.failure($$ SELECT add_key('openai', '') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', 'short') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1') || E'\n') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', 'sk-your-api-key-goes-in-here') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', 'pplx-' || repeat('k', 40)) $$);
SELECT pg_temp.failure($$ SELECT add_key('gateway', repeat('k1', 200)) $$);
SET keypool.validate_format = off;
SELECT add_key('openai', 'pplx-' || repeat('k', 40), name => 'odd') > 0;
SELECT pg_temp.failure($$ SELECT add_key('openai', 'short') $$);
RESET keypool.validate_format;

-- Missing and senseless arguments.
SELECT pg_temp.failure($$ SELECT add_key(NULL, pg_temp.key('new1')) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', NULL) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), name => '') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), name => repeat('n', 48)) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), user_id => '') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), user_id => repeat('é', 128)) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), rate_limit => 0) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), max_concurrency => -1) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), daily_cost_limit => 0) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), daily_cost_limit => 'NaN') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), daily_cost_limit => 1e9) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), weight => 'NaN') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), models => '{}') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'),
                                         models => '{a,b,c,d,e,f,g,h,i}') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), models => '{a,NULL}') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), region => repeat('r', 32)) $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), base_url => 'ftp://x') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'), base_url => 'https://a b') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('new1'),
                                         base_url => 'https://me:pw@host/v1') $$);
SELECT count(*) FROM keypool.api_keys WHERE hint LIKE '%new1';

-- resolve_key: the system's key before a user's, then the older one; never a revoked one.
SELECT resolve_key(pg_temp.key('s001'));
SELECT resolve_key(pg_temp.key('u001'));
SELECT resolve_key(pg_temp.key('none')) IS NULL, resolve_key('') IS NULL, resolve_key(NULL) IS NULL;

-- rotate_key: a new secret in place; health starts anew.
-- (Of a user's key that nobody picked: the worker writes the state of those in the pool.)
INSERT INTO keypool.key_state (key_id, state, cooldown_until, failure_class, failure_streak)
VALUES (6, 'cooling', now() + '1 hour', 'rate_limit', 3);
SELECT rotate_key(6, pg_temp.key('r006'));
SELECT state, cooldown_until, failure_class, failure_streak FROM keypool.key_state WHERE key_id = 6;
SELECT rotate_key(1, pg_temp.key('r001'));
SELECT hint, rotated_at > created_at FROM keypool.api_keys WHERE id = 1;
SELECT resolve_key(pg_temp.key('r001')), resolve_key(pg_temp.key('s001')) = 1;
-- To the secret that it has: no error, and a fresh start.
SELECT rotate_key(1, pg_temp.key('r001'));
SELECT pg_temp.failure($$ SELECT rotate_key(1, pg_temp.key('s003')) $$);
SELECT pg_temp.failure($$ SELECT rotate_key(1, 'pplx-' || repeat('k', 40)) $$);
SELECT pg_temp.failure($$ SELECT rotate_key(2, pg_temp.key('new1')) $$);
SELECT pg_temp.failure($$ SELECT rotate_key(4711, pg_temp.key('new1')) $$);
SELECT pg_temp.failure($$ SELECT rotate_key(1, NULL) $$);

-- revoke_key: nothing secret stays; a second time says so.
SELECT revoke_key(3);
SELECT envelope IS NULL, fingerprint IS NULL, hint, revoke_reason FROM keypool.api_keys WHERE id = 3;
SELECT revoke_key(3, 'too late');
SELECT revoke_reason IS NULL FROM keypool.api_keys WHERE id = 3;
SELECT pg_temp.failure($$ SELECT revoke_key(4711) $$);

-- What is secret, and what a secret is sealed to, changes by function only.
SELECT pg_temp.failure(format('UPDATE keypool.api_keys SET %s WHERE id = 1', change))
FROM unnest(ARRAY['id = 99', $$provider = 'groq'$$, $$user_id = 'u9'$$, $$organization_id = 'o9'$$,
                  $$envelope = '\x00'$$, 'fingerprint = NULL', $$hint = 'x'$$, 'rotated_at = now()',
                  'revoked_at = now()']) AS change;
-- What stays the same is no change, and the rest is free.
UPDATE keypool.api_keys SET id = id, envelope = envelope, name = 'main', rate_limit = 5,
                            enabled = false WHERE id = 1;
SELECT name, rate_limit, enabled FROM keypool.api_keys WHERE id = 1;

-- validate_key names every check.
\pset tuples_only off
SELECT * FROM validate_key('openai', pg_temp.key('v001'));
SELECT * FROM validate_key('openai', 'sk-ant-api03-' || repeat('k', 24));
SELECT * FROM validate_key('openai', 'sk-0123456789abcdef0123456789abcdef');
SELECT * FROM validate_key('gateway', 'dev_local_u1_local_development');
SELECT check_name, ok, detail FROM validate_key('groq', 'gsk "x"') WHERE NOT ok;
\pset tuples_only on
SELECT pg_temp.failure($$ SELECT * FROM validate_key('opnai', 'x') $$);

-- EXECUTE is all that a caller needs; what is secret stays out of his reach.
CREATE ROLE regress_keypool_admin;
SELECT grant_keypool('regress_keypool_admin', 'admin');
SET ROLE regress_keypool_admin;
SELECT add_key('groq', 'gsk_' || repeat('k', 30)) > 0 AS added;
SELECT rotate_key(resolve_key('gsk_' || repeat('k', 30)), 'gsk_' || repeat('k', 31));
SELECT pick_key('groq') = 'gsk_' || repeat('k', 31) AS picked;
SELECT envelope FROM keypool.api_keys;
SELECT wrapped FROM keypool.data_keys;
RESET ROLE;
SELECT revoke_keypool('regress_keypool_admin');
DROP OWNED BY regress_keypool_admin;
DROP ROLE regress_keypool_admin;

-- The first keys of a database: what a rollback takes from the table is not used any more.
SET client_min_messages = warning;
DROP EXTENSION pg_keypool CASCADE;
CREATE EXTENSION pg_keypool;
RESET client_min_messages;
SELECT resolve_key(pg_temp.key('t001')) IS NULL;
BEGIN;
SELECT add_key('openai', pg_temp.key('t001')) > 0;
SELECT resolve_key(pg_temp.key('t001')) > 0;
ROLLBACK;
SELECT count(*) FROM keypool.data_keys;
BEGIN;
SAVEPOINT a;
SELECT add_key('openai', pg_temp.key('t001')) > 0;
SAVEPOINT b;
SELECT add_key('openai', pg_temp.key('t002')) > 0;
ROLLBACK TO a;
SELECT add_key('openai', pg_temp.key('t003')) > 0;
SAVEPOINT c;
SELECT add_key('openai', pg_temp.key('t004')) > 0;
RELEASE c;
ROLLBACK TO a;
SELECT count(*) FROM keypool.data_keys;
SELECT add_key('openai', pg_temp.key('t005')) > 0;
COMMIT;
SELECT number, purpose FROM keypool.data_keys ORDER BY number;
-- A session of its own, so nothing but the tables can know.
\c
\pset format unaligned
\pset tuples_only on
SELECT pick_key('openai') = 'sk-proj-' || repeat('k', 24) || 't005';

-- A read-only transaction.
BEGIN READ ONLY;
SAVEPOINT s;
SELECT add_key('openai', 'x');
ROLLBACK TO s;
SELECT rotate_key(1, 'x');
ROLLBACK TO s;
SELECT revoke_key(1);
ROLLBACK TO s;
SELECT * FROM import_keys('{}');
ROLLBACK;
