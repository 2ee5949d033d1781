-- pick_key, acquire_key, explain_pick, available_providers: whose keys are asked, what is seen of
-- uncommitted work, and what comes out when there is none.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- No key yet, for nobody.
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1', 'o1') $$);
SELECT count(*) FROM explain_pick('openai', 'u1', 'o1');
SELECT count(*) FROM available_providers('u1', 'o1');

-- Unknown providers, and arguments that cannot be.
SELECT pg_temp.failure($$ SELECT pick_key('opnai') $$);
SELECT pg_temp.failure($$ SELECT pick_key('nothing-like-it') $$);
SELECT pg_temp.failure($$ SELECT pick_key('') $$);
SELECT pg_temp.failure($$ SELECT pick_key(repeat('x', 1000)) $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('opnai') $$);
SELECT pg_temp.failure($$ SELECT * FROM explain_pick('opnai') $$);
SELECT pg_temp.failure($$ SELECT pick_key(NULL) $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key(NULL) $$);
SELECT pg_temp.failure($$ SELECT * FROM explain_pick(NULL) $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', repeat('u', 256)) $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', NULL, repeat('o', 256)) $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', strategy => 'best') $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', estimated_tokens => -1) $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', estimated_cost => -0.01) $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', estimated_cost => 'NaN') $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', exclude => '{1,NULL}') $$);

-- The user's keys, then the organization's, then the system's.
SELECT add_key('openai', pg_temp.key('syst'));
SELECT add_key('openai', pg_temp.key('orga'), organization_id => 'o1');
SELECT add_key('openai', pg_temp.key('user'), user_id => 'u1');
-- A key of a user within an organization is the user's.
SELECT add_key('openai', pg_temp.key('both'), user_id => 'u2', organization_id => 'o1');
SELECT pg_temp.picks(1, 'openai'), pg_temp.picks(1, 'openai', 'u1'),
       pg_temp.picks(1, 'openai', NULL, 'o1'), pg_temp.picks(1, 'openai', 'u1', 'o1'),
       pg_temp.picks(1, 'openai', 'u3', 'o1'), pg_temp.picks(1, 'openai', 'u3', 'o3'),
       pg_temp.picks(1, 'openai', 'u2', 'o1');
-- Owners are told apart to the letter, and an organization is no user; '' is nobody.
SELECT pg_temp.picks(1, 'openai', 'U1'), pg_temp.picks(1, 'openai', 'o1'),
       pg_temp.picks(1, 'openai', NULL, 'u1'), pg_temp.picks(1, 'openai', ' u1'),
       pg_temp.picks(1, 'openai', '', '');
-- Providers by any of their names, in any case.
SELECT add_key('claude', 'sk-ant-api03-' || repeat('k', 24) || 'clau');
SELECT pg_temp.picks(1, 'Claude'), pg_temp.picks(1, 'ANTHROPIC'), pg_temp.picks(1, 'OpenAI');

-- The receipt names what was chosen. A lease is a number to give back.
SELECT lease_id > 0 AS lease, key_id, key_name, provider, key_source, strategy, right(secret, 4),
       base_url
FROM acquire_key('OpenAI', 'u1', 'o1');
SELECT key_id, key_source, base_url
FROM acquire_key('openai', 'u4', 'o1');
-- A key's own base URL goes before its provider's; a provider without one has none.
SELECT add_key('openai', pg_temp.key('prox'), user_id => 'u5',
               base_url => 'https://proxy.example/v1');
SELECT add_key('gateway', 'dev_local_u5_local_development', user_id => 'u5');
SELECT base_url FROM acquire_key('openai', 'u5');
SELECT base_url IS NULL FROM acquire_key('gateway', 'u5');

-- explain_pick lists every candidate in the order in which a pick looks.
\pset tuples_only off
SELECT position, key_id, key_name, provider, key_source, eligible, reason,
       score IS NOT NULL AS scored
FROM explain_pick('openai', 'u1', 'o1');
SELECT * FROM available_providers();
SELECT * FROM available_providers('u5', 'o1');
\pset tuples_only on
-- It reserves nothing and counts as no use.
SELECT picks, in_flight FROM keypool.api_keys_overview WHERE key_id = 3;
SELECT count(*) FROM generate_series(1, 5), explain_pick('openai', 'u1', 'o1');
SELECT picks, in_flight FROM keypool.api_keys_overview WHERE key_id = 3;

-- Own changes are not picked before they are committed, nor when they are undone.
BEGIN;
SELECT add_key('openai', pg_temp.key('mine'), user_id => 'u6') > 0;
SELECT pg_temp.picks(1, 'openai', 'u6');
SELECT revoke_key(3);
UPDATE keypool.api_keys SET enabled = false WHERE id = 1;
SELECT pg_temp.picks(1, 'openai', 'u1'), pg_temp.picks(1, 'openai');
ROLLBACK;
SELECT pg_temp.picks(1, 'openai', 'u6'), pg_temp.picks(1, 'openai', 'u1');
BEGIN;
SAVEPOINT s;
SELECT add_key('openai', pg_temp.key('lost'), user_id => 'u6') > 0;
ROLLBACK TO s;
SELECT add_key('openai', pg_temp.key('kept'), user_id => 'u6') > 0;
SELECT pg_temp.picks(1, 'openai', 'u6');
COMMIT;
SELECT pg_temp.picks(3, 'openai', 'u6');
-- Seen at once at the strictest level, too: what was committed before, not what is under way.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) > 0 FROM keypool.api_keys;
SELECT add_key('openai', pg_temp.key('seri'), user_id => 'u7') > 0;
SELECT pg_temp.picks(1, 'openai', 'u7');
COMMIT;
SELECT pg_temp.picks(1, 'openai', 'u7');
-- Picking needs no right to write.
BEGIN READ ONLY;
SELECT pg_temp.picks(2, 'openai', 'u7');
SELECT key_id FROM acquire_key('openai', 'u1');
COMMIT;
-- A transaction that changed keys has no place to be forgotten in.
BEGIN;
UPDATE keypool.api_keys SET weight = 1 WHERE id = 1;
PREPARE TRANSACTION 'keys';
BEGIN;
SELECT pg_temp.picks(1, 'openai', 'u1');
PREPARE TRANSACTION 'picks';
COMMIT PREPARED 'picks';

-- What may not be picked: disabled, expired, revoked, of a disabled provider.
SELECT add_key('openai', pg_temp.key('new1'), user_id => 'u8', enabled => false) AS id \gset
SELECT pg_temp.picks(1, 'openai', 'u8');
UPDATE keypool.api_keys SET enabled = true WHERE id = :id;
SELECT pg_temp.picks(1, 'openai', 'u8');
UPDATE keypool.api_keys SET expires_at = now() WHERE id = :id;
SELECT pg_temp.picks(1, 'openai', 'u8');
-- Its time runs out without anybody touching it.
SELECT add_key('openai', pg_temp.key('new3'), user_id => 'u8',
               expires_at => clock_timestamp() + '1 s') > :id;
SELECT pg_temp.picks(1, 'openai', 'u8'), pg_sleep(1.1), pg_temp.picks(1, 'openai', 'u8');
SELECT add_key('openai', pg_temp.key('new4'), user_id => 'u8') AS id \gset
SELECT rotate_key(:id, pg_temp.key('new2'));
SELECT pg_temp.picks(1, 'openai', 'u8');
SELECT revoke_key(:id);
SELECT pg_temp.picks(1, 'openai', 'u8');
SELECT eligible, reason FROM explain_pick('openai', 'u8') WHERE reason <> 'expired';
UPDATE keypool.providers SET enabled = false WHERE name = 'openai';
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT DISTINCT provider FROM available_providers('u1', 'o1');
UPDATE keypool.providers SET enabled = true WHERE name = 'openai';
SELECT pg_temp.picks(1, 'openai', 'u1');

-- A new provider is one INSERT, and goes with one DELETE.
INSERT INTO keypool.providers (name, display_name, aliases, base_url)
VALUES ('acme', 'Acme', '{acme-ai}', 'http://localhost:1/v1');
SELECT add_key('acme', 'acme-' || repeat('k', 24) || 'acme') AS id \gset
SELECT pg_temp.picks(1, 'ACME-ai');
SELECT base_url FROM acquire_key('acme');
UPDATE keypool.providers SET aliases = '{road-runner}' WHERE name = 'acme';
SELECT pg_temp.picks(1, 'road-runner');
SELECT pg_temp.failure($$ SELECT pick_key('acme-ai') $$);
DELETE FROM keypool.api_keys WHERE id = :id;
DELETE FROM keypool.providers WHERE name = 'acme';
SELECT pg_temp.failure($$ SELECT pick_key('acme') $$);

-- The whole table at once.
TRUNCATE keypool.api_keys;
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1', 'o1') $$);
