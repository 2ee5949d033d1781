-- Rotation: of data keys and root keys, what is seen of it, and which secrets are due.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- Waits until a query answers true, each look in a transaction of its own.
CREATE PROCEDURE pg_temp.await(query text) LANGUAGE plpgsql AS $$
DECLARE
  there bool;
BEGIN
  FOR i IN 1 .. 1200 LOOP
    EXECUTE query INTO there;
    COMMIT;
    IF there THEN RETURN; END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
  RAISE 'in vain: %', query;
END $$;

-- With nothing stored there is nothing to show.
SELECT * FROM keypool.reencryption_progress;
SELECT * FROM keypool.keys_due_for_rotation;

-- Data keys. What is sealed carries the number of its own; a rollback takes a new one back.
SELECT add_key('openai', pg_temp.key('0001'), 'system');
SELECT add_key('openai', pg_temp.key('0002'), 'user', 'u1');
SELECT add_key('openai', pg_temp.key('0003'), 'organization', NULL, 'o1');
SELECT add_webhook('https://example.com', 'a-secret-of-some-length');
CALL pg_temp.await($$ SELECT state = 'done' FROM keypool.reencryption_progress
                      WHERE what = 'data_key' $$);
SELECT data_key, state, total, data_keys_in_use FROM keypool.reencryption_progress
WHERE what = 'data_key';
BEGIN;
SELECT rotate_data_key();
SELECT add_key('openai', pg_temp.key('0004'), 'undone') > 0;
SELECT get_byte(envelope, 4) FROM keypool.api_keys WHERE name = 'undone';
ROLLBACK;
SELECT add_key('openai', pg_temp.key('0005'), 'after');
SELECT get_byte(envelope, 4) FROM keypool.api_keys WHERE name = 'after';
CREATE TEMP TABLE before AS SELECT id, fingerprint FROM keypool.api_keys;
SELECT rotate_data_key();
SELECT rotate_data_key();
CALL pg_temp.await($$ SELECT state = 'done' AND data_keys_in_use = '{4}'
                      FROM keypool.reencryption_progress WHERE what = 'data_key' $$);
SELECT data_key, state, total, done, remaining, failed, data_keys_in_use, finished_at >= started_at
FROM keypool.reencryption_progress WHERE what = 'data_key';
SELECT name, get_byte(envelope, 4), k.fingerprint = b.fingerprint, k.rotated_at IS NULL
FROM keypool.api_keys k JOIN before b USING (id) ORDER BY name;
SELECT get_byte(envelope, 4) FROM keypool.alert_webhooks;
SELECT number, purpose, retired_at FROM keypool.data_keys ORDER BY number;
SELECT right(pick_key('openai', 'u1'), 4), right(pick_key('openai', NULL, 'o1'), 4);
SELECT resolve_key(pg_temp.key('0003')) = id FROM keypool.api_keys WHERE name = 'organization';

-- Neither in a read-only transaction.
BEGIN READ ONLY;
SELECT pg_temp.failure($$ SELECT rotate_data_key() $$);
SELECT pg_temp.failure($$ SELECT rotate_root_key() $$);
ROLLBACK;

-- The root key, which here is a file of the server's.
SELECT DISTINCT left(encode(root_id, 'hex'), 8) AS old_root FROM keypool.data_keys \gset
SELECT regexp_replace(rotate_root_key(), 'root key [0-9a-f]{8} made in ".*":', 'root key <id> made in <file>:');
SELECT DISTINCT left(encode(root_id, 'hex'), 8) <> :'old_root' FROM keypool.data_keys;
CALL pg_temp.await($$ SELECT state = 'done' FROM keypool.reencryption_progress
                      WHERE what = 'root_key' $$);
SELECT what, data_key, root_key <> :'old_root' AS another, state, total, done, remaining, failed
FROM keypool.reencryption_progress WHERE what = 'root_key';
SELECT right(pick_key('openai', 'u1'), 4);

-- Secrets that are due.
SELECT add_key('openai', pg_temp.key('0006'), 'yearly', rotation_interval => '1 year');
SELECT add_key('openai', pg_temp.key('0007'), 'daily', rotation_interval => '36 hours');
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('0008'), rotation_interval => '0') $$);
SELECT pg_temp.failure($$ SELECT add_key('openai', pg_temp.key('0008'), rotation_interval => '-1 day') $$);
UPDATE keypool.api_keys SET rotation_interval = '1 microsecond' WHERE name = 'user';
SELECT d.name, d.owner, d.key_source, d.rotation_interval, d.overdue,
       d.due_at = k.created_at + d.rotation_interval, d.age < interval '1 hour'
FROM keypool.keys_due_for_rotation d JOIN keypool.api_keys k ON k.id = d.key_id;
CALL pg_temp.await($$ SELECT EXISTS (SELECT FROM keypool.active_alerts WHERE kind = 'rotation_due') $$);
SELECT severity, kind, provider,
       regexp_replace(message, 'key \d+ (.*) is \S+ \S+ old', 'key <id> \1 is <age> old') AS message
FROM keypool.active_alerts WHERE kind = 'rotation_due';
UPDATE keypool.api_keys SET rotation_interval = NULL WHERE name = 'user';
CALL pg_temp.await($$ SELECT NOT EXISTS (SELECT FROM keypool.active_alerts
                                         WHERE kind = 'rotation_due') $$);
SELECT name FROM keypool.keys_due_for_rotation;
