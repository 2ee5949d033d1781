-- dev_key: one key for development traffic, made when it is first asked for.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
CREATE VIEW pg_temp.dev AS
SELECT provider, name, owner, key_source, state FROM keypool.api_keys_overview ORDER BY key_id;

SELECT dev_key();
SELECT * FROM pg_temp.dev;
-- Asked for again, it is the same one.
SELECT dev_key() FROM generate_series(1, 3);
SELECT * FROM pg_temp.dev;
-- A key like any other: found by its secret, picked for its user, named by the log.
SELECT resolve_key(dev_key()) = key_id FROM keypool.api_keys_overview;
SELECT pick_key('gateway', 'dev@localhost') = dev_key();
SELECT log_request('openai', 'gpt-4', api_key => dev_key()) > 0;
SELECT user_id, key_source, is_anonymous, api_key_id IS NOT NULL
FROM keypool.chat_completion_requests;
SELECT requests FROM keypool.api_keys_overview;
-- Never sent anywhere.
SELECT base_url IS NULL, auth_style, health_check FROM keypool.providers WHERE name = 'gateway';
-- In a read-only transaction too, once it is there.
BEGIN READ ONLY;
SELECT dev_key();
COMMIT;
-- Somebody revoked it: there is a new one.
SELECT revoke_key(resolve_key(dev_key()));
SELECT dev_key();
SELECT * FROM pg_temp.dev;
-- Rolled back, it was never made.
SELECT revoke_key(resolve_key(dev_key()));
BEGIN;
SELECT dev_key();
ROLLBACK;
SELECT resolve_key('dev_local_dev@localhost_local_development') IS NULL;
BEGIN READ ONLY;
SELECT pg_temp.failure('SELECT dev_key()');
COMMIT;
-- Somebody else's idea of its name is left alone.
SELECT add_key('gateway', 'dev_local_other', 'local_development', 'dev@localhost') > 0;
SELECT pg_temp.failure('SELECT dev_key()') ~ '^23505|local_development|^  ';
