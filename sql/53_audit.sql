-- The audit log: what each action leaves in it, that nothing can be changed, and that the chain can
-- be recomputed in plain SQL.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- Since the last look, by plain columns; key ids and numbers are those of this run.
CREATE TEMP TABLE seen AS SELECT 0::bigint AS id;
CREATE FUNCTION pg_temp.news() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    SELECT concat_ws(' ', l.action, l.outcome, 'key ' || l.key_id, l.provider, 'x' || l.times,
                     pg_temp.timeless(l.details::text))
    FROM keypool.audit_log l WHERE l.id > (SELECT max(id) FROM seen) ORDER BY l.id;
  INSERT INTO seen SELECT coalesce(max(l.id), 0) FROM keypool.audit_log l;
END $$;
-- What the worker writes comes when the second is over.
CREATE FUNCTION pg_temp.await(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..300 LOOP
    IF EXISTS (SELECT FROM keypool.audit_log l
               WHERE l.action = wanted AND l.id > (SELECT max(id) FROM seen)) THEN
      RETURN true;
    END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
  RETURN false;
END $$;

-- An installation has nothing to tell.
SELECT ok, entries, first_break, problem, head_id, head_hash FROM verify_audit_log();

-- Keys, by function.
SELECT add_key('openai', pg_temp.key('0001'), name => 'first');
SELECT rotate_key(1, pg_temp.key('0002'));
SELECT count(*) FROM import_keys(jsonb_build_object('providers', jsonb_build_object('openai',
  jsonb_build_object('api_keys', jsonb_build_array(
    jsonb_build_object('name', 'second', 'key', pg_temp.key('0003')),
    jsonb_build_object('name', 'first', 'key', pg_temp.key('0004')))))));
SELECT left(dev_key(), 9), left(dev_key(), 9);
SELECT revoke_key(2, 'left the company');
SELECT pg_temp.await('import_keys');
SELECT * FROM pg_temp.news() AS line WHERE line NOT LIKE 'import_keys failed%';

-- By plain SQL: what changed, and from what to what.
UPDATE keypool.api_keys SET rate_limit = 10, enabled = false WHERE id = 1;
UPDATE keypool.api_keys SET rate_limit = 10 WHERE id = 1;
UPDATE keypool.api_keys SET rate_limit = NULL, name = 'renamed' WHERE id = 1;
DELETE FROM keypool.api_keys WHERE id = 2;
UPDATE keypool.providers SET base_url = 'https://elsewhere.example/v1' WHERE name = 'openai';
INSERT INTO keypool.providers (name, display_name) VALUES ('mine', 'Mine');
DELETE FROM keypool.providers WHERE name = 'mine';
INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', '*', 1000);
UPDATE keypool.caller_limits SET picks_per_minute = 2000;
INSERT INTO keypool.budgets (scope, period, limit_usd) VALUES ('global', 'month', 100);
TRUNCATE keypool.caller_limits;
SELECT add_webhook('https://hooks.example/alerts', 'a secret of some length');
SELECT * FROM pg_temp.news() AS line WHERE line !~ '^add_webhook';

-- A value that looks like a secret is kept from the log wherever it stands.
UPDATE keypool.providers SET display_name = pg_temp.key('0009') WHERE name = 'openai';
SELECT line ~ 'k{12}', line ~ 'redacted' FROM pg_temp.news() AS line;

-- Access.
CREATE ROLE regress_audited;
SELECT grant_keypool('regress_audited', 'reader');
SELECT revoke_keypool('regress_audited');
SELECT * FROM pg_temp.news();

-- With the transaction, and with the savepoint.
BEGIN;
SELECT add_key('openai', pg_temp.key('0010'), name => 'rolled back') IS NOT NULL;
ROLLBACK;
BEGIN;
UPDATE keypool.api_keys SET rate_limit = 1 WHERE id = 1;
SAVEPOINT one;
UPDATE keypool.api_keys SET rate_limit = 2 WHERE id = 1;
ROLLBACK TO one;
UPDATE keypool.api_keys SET rate_limit = 3 WHERE id = 1;
RELEASE one;
SELECT count(*) FROM pg_temp.news();
COMMIT;
SELECT * FROM pg_temp.news();
-- Declared read-only once it has changed something; a transaction that commits within a DO.
BEGIN;
UPDATE keypool.api_keys SET rate_limit = 4 WHERE id = 1;
SET TRANSACTION READ ONLY;
COMMIT;
DO $$ BEGIN
  UPDATE keypool.api_keys SET rate_limit = 5 WHERE id = 1; COMMIT;
  UPDATE keypool.api_keys SET rate_limit = 6 WHERE id = 1; ROLLBACK;
END $$;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE keypool.api_keys SET rate_limit = 7 WHERE id = 1;
COMMIT;
SELECT * FROM pg_temp.news();

-- Very many rows: a thousand are told one by one.
INSERT INTO keypool.caller_limits (scope, name, picks_per_minute)
  SELECT 'user', 'u' || n, 5 FROM generate_series(1, 1500) n;
SELECT count(*), sum(times), max(times), max(details::text) FILTER (WHERE times > 1)
FROM keypool.audit_log WHERE id > (SELECT max(id) FROM seen) AND action = 'insert_caller_limit';
SELECT count(*) FROM pg_temp.news();

-- Who.
SET ROLE regress_audited;
RESET ROLE;
ALTER ROLE regress_audited SUPERUSER;
SET application_name = 'a tool';
SET ROLE regress_audited;
UPDATE keypool.api_keys SET weight = 2 WHERE id = 1;
RESET ROLE;
SET application_name = 'sk-proj-kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk';
UPDATE keypool.api_keys SET weight = 3 WHERE id = 1;
RESET application_name;
SELECT session_role = session_user, acting_role = session_user, acting_role = 'regress_audited',
       client_address, replace(application, '...', '…'), at BETWEEN now() - interval '1 min' AND clock_timestamp()
FROM keypool.audit_log WHERE id > (SELECT max(id) FROM seen) ORDER BY id;
SELECT count(*) FROM pg_temp.news();
ALTER ROLE regress_audited NOSUPERUSER;

-- What fails is told by the worker.
SELECT pg_temp.failure($$ SELECT rotate_key(77, pg_temp.key('0011')) $$);
SELECT pg_temp.await('rotate_key');
SELECT pg_temp.failure($$ UPDATE keypool.api_keys SET user_id = 'u' WHERE id = 1 $$);
SELECT pg_temp.await('update_key');
SELECT pg_temp.failure($$ SELECT add_key('sk-proj-kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk', 'openai') $$);
SELECT pg_temp.await('add_key');
SELECT * FROM pg_temp.news();

-- Picks: counted by the second. A rollback does not take back what was shown.
UPDATE keypool.api_keys SET base_url = NULL, enabled = true, rate_limit = NULL, weight = 1 WHERE id = 1;
SELECT count(*) FROM pg_temp.news();
SELECT count(pick_key('openai')) FROM generate_series(1, 20);
BEGIN;
SELECT count(pick_key('openai')) FROM generate_series(1, 3);
ROLLBACK;
SELECT pg_temp.await('pick') AND pg_sleep(2.2) IS NOT NULL;
SELECT action, outcome, key_id, sum(times), bool_and(details->'keys'->>'1' = times::text)
FROM keypool.audit_log WHERE id > (SELECT max(id) FROM seen) GROUP BY 1, 2, 3;
SELECT count(*) > 0 FROM pg_temp.news();

-- Append-only, whoever asks, and that was tried is told.
SELECT pg_temp.failure($$ UPDATE keypool.audit_log SET outcome = 'denied' $$);
SELECT pg_temp.failure($$ DELETE FROM keypool.audit_log $$);
SELECT pg_temp.failure($$ TRUNCATE keypool.audit_log $$);
SET session_replication_role = replica;
SELECT pg_temp.failure($$ DELETE FROM keypool.audit_log $$);
RESET session_replication_role;
SELECT pg_temp.failure($$ SELECT keypool.note_access('audit_pruned', '{}') $$);
SELECT pg_temp.await('change_audit_log');
SELECT DISTINCT action, outcome, details->>'sqlstate'
FROM keypool.audit_log WHERE id > (SELECT max(id) FROM seen);
SELECT keypool.prune_audit_log();

-- The chain, by our function and in plain SQL.
SELECT ok, entries = (SELECT count(*) FROM keypool.audit_log), first_break, problem,
       head_id = (SELECT max(id) FROM keypool.audit_log) FROM verify_audit_log();
SELECT count(*) FROM keypool.audit_log WHERE hash IS DISTINCT FROM
  sha256(coalesce(previous_hash, '') || convert_to(jsonb_build_array(
    id, (extract(epoch FROM at) * 1000000)::bigint, action, outcome, session_role, acting_role,
    client_address, application, key_id, provider, times, details)::text, 'UTF8'));
SELECT (v).ok, (v).problem FROM (SELECT verify_audit_log(id, hash) AS v
  FROM keypool.audit_log ORDER BY id LIMIT 1) AS known;
SELECT ok, regexp_replace(problem, '\d+', '<id>') FROM verify_audit_log(
  (SELECT max(id) FROM keypool.audit_log), sha256('another'));
SELECT ok, regexp_replace(problem, '\d+', '<id>') FROM verify_audit_log(
  (SELECT max(id) + 5 FROM keypool.audit_log), sha256('one more'));
DROP ROLE regress_audited;
