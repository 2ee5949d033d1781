-- acquire_key and release_key: what a lease reserves, who gets it back, and the limits it holds up.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';

-- Takes a lease and keeps its number for later under a name.
CREATE TEMP TABLE held (name text PRIMARY KEY, lease_id bigint, key_id bigint);
CREATE FUNCTION pg_temp.hold(name text, user_id text, tokens int = NULL, cost numeric = NULL)
RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO held
  SELECT $1, a.lease_id, a.key_id
  FROM acquire_key('openai', $2, estimated_tokens => tokens, estimated_cost => cost) AS a
  RETURNING key_id
$$;
CREATE FUNCTION pg_temp.give_back(name text) RETURNS void LANGUAGE sql AS $$
  SELECT release_key(lease_id) FROM held WHERE held.name = $1
$$;

-- max_concurrency: so many leases and no more; what is given back is free again.
SELECT add_key('openai', pg_temp.key('conc'), user_id => 'u1', max_concurrency => 2) AS id \gset
SELECT pg_temp.hold('a', 'u1') = :id, pg_temp.hold('b', 'u1') = :id;
SELECT in_flight, max_concurrency_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u1') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT eligible, reason FROM explain_pick('openai', 'u1');
SELECT pg_temp.give_back('a');
SELECT pg_temp.hold('c', 'u1') = :id;
SELECT in_flight, max_concurrency_left FROM keypool.api_keys_overview WHERE key_id = :id;
-- A pick without a lease holds nothing.
SELECT pg_temp.give_back('c');
SELECT pg_temp.picks(5, 'openai', 'u1');
SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = :id;

-- A lease ends once. Numbers that never were, or are another's idea, are not known.
SELECT pg_temp.failure($$ SELECT pg_temp.give_back('a') $$) ~ '^KP008|^  It was settled';
\set VERBOSITY verbose
SELECT release_key(0);
SELECT release_key(-1);
SELECT release_key(9223372036854775807);
\set VERBOSITY default
SELECT release_key(NULL) IS NULL;
SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = :id;
-- It outlives the transaction that took it: the request went out all the same.
BEGIN;
SELECT lease_id AS lost FROM acquire_key('openai', 'u1') \gset
ROLLBACK;
SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = :id;
BEGIN;
SAVEPOINT s;
SELECT release_key(:lost);
ROLLBACK TO s;
SELECT pg_temp.failure(format('SELECT release_key(%s)', :lost)) ~ '^KP008|^  It was settled';
COMMIT;
-- It ends with its key, too, and its number then is still good for one answer.
SELECT pg_temp.hold('d', 'u1') = :id;
SELECT revoke_key(:id);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u1') $$);
SELECT pg_temp.give_back('d');

-- A change of the key leaves what is in flight.
SELECT add_key('openai', pg_temp.key('edit'), user_id => 'u2', max_concurrency => 1) AS id \gset
SELECT pg_temp.hold('e', 'u2') = :id;
UPDATE keypool.api_keys SET weight = 2 WHERE id = :id;
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u2') $$);
UPDATE keypool.api_keys SET max_concurrency = 2 WHERE id = :id;
SELECT pg_temp.hold('f', 'u2') = :id;
UPDATE keypool.api_keys SET max_concurrency = 1 WHERE id = :id;
SELECT in_flight, max_concurrency_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.give_back('e');
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u2') $$);
SELECT rotate_key(:id, pg_temp.key('newe'));
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u2') $$);
SELECT pg_temp.give_back('f');
SELECT pg_temp.picks(1, 'openai', 'u2');

-- rate_limit, an hour; requests_per_minute.
SELECT add_key('openai', pg_temp.key('hour'), user_id => 'u3', rate_limit => 5) AS id \gset
SELECT pg_temp.picks(4, 'openai', 'u3');
SELECT rate_limit_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.picks(1, 'openai', 'u3');
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u3') $$);
SELECT eligible, pg_temp.timeless(reason) FROM explain_pick('openai', 'u3');
-- Raised, it serves on; what was used stays used.
UPDATE keypool.api_keys SET rate_limit = 7 WHERE id = :id;
SELECT pg_temp.picks(2, 'openai', 'u3');
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u3') $$);
SELECT add_key('openai', pg_temp.key('mins'), user_id => 'u4', requests_per_minute => 3) AS id \gset
SELECT pg_temp.picks(2, 'openai', 'u4');
-- A lease counts when it is taken; one given back unused does not.
SELECT pg_temp.hold('g', 'u4') = :id;
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4') $$);
SELECT pg_temp.give_back('g');
SELECT requests_per_minute_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.picks(1, 'openai', 'u4');
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4') $$);

-- tokens_per_minute: by estimate. What can never fit says so.
SELECT add_key('openai', pg_temp.key('toks'), user_id => 'u5',
               tokens_per_minute => 1000) AS id \gset
SELECT pg_temp.hold('h', 'u5', 600) = :id;
SELECT tokens_per_minute_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT pg_temp.hold('i', 'u5', 401) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.hold('i', 'u5', 1001) $$);
SELECT pg_temp.hold('i', 'u5', 400) = :id;
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u5') $$);
SELECT pg_temp.give_back('h');
SELECT tokens_per_minute_left FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.picks(1, 'openai', 'u5');

-- daily_cost_limit: what leases in flight may cost counts as spent. In dollars, to the nano-dollar.
SELECT add_key('openai', pg_temp.key('cost'), user_id => 'u6',
               daily_cost_limit => 0.000000010) AS id \gset
SELECT pg_temp.hold('j', 'u6', cost => 0.000000006) = :id;
SELECT pg_temp.failure($$ SELECT pg_temp.hold('k', 'u6', cost => 0.000000005) $$);
SELECT pg_temp.hold('k', 'u6', cost => 0.000000004) = :id;
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u6') $$);
SELECT pg_temp.give_back('j');
SELECT pg_temp.picks(1, 'openai', 'u6');
SELECT pg_temp.failure($$ SELECT pg_temp.hold('l', 'u6', cost => 9e9) $$);
SELECT add_key('openai', pg_temp.key('rich'), user_id => 'u7') AS id \gset
SELECT pg_temp.hold('m', 'u7', cost => 9e9) = :id, pg_temp.hold('n', 'u7', cost => 9e9) = :id;
SELECT pg_temp.give_back('m');
SELECT pg_temp.give_back('n');

-- A key at its limit leaves the next one; exclude serves a retry.
SELECT add_key('openai', pg_temp.key('fir1'), user_id => 'u8', rate_limit => 1) AS first,
       add_key('openai', pg_temp.key('sec2'), user_id => 'u8') AS second \gset
SELECT add_key('openai', pg_temp.key('syst')) AS of_system \gset
SELECT pg_temp.picks(3, 'openai', 'u8');
SELECT key_id = :of_system AS the_systems
FROM acquire_key('openai', 'u8', exclude => ARRAY[:first, :second]);
SELECT pg_temp.failure(format($$ SELECT * FROM acquire_key('openai', 'u8',
                                                           exclude => '{%s,%s,%s}') $$,
                              :first, :second, :of_system));
SELECT key_id = :second FROM acquire_key('openai', 'u8', exclude => '{}');

-- Leases that nobody ends are given back after keypool.lease_timeout, by whoever needs the place.
ALTER SYSTEM SET keypool.lease_timeout = 1;
SELECT pg_reload_conf();
SELECT pg_sleep(1);
SHOW keypool.lease_timeout;
SELECT add_key('openai', pg_temp.key('slow'), user_id => 'u9', max_concurrency => 1) AS id \gset
SELECT pg_temp.hold('o', 'u9') = :id;
SELECT pg_temp.hold('elsewhere', 'u9') = :of_system;
SELECT pg_sleep(1.1);
UPDATE keypool.api_keys SET enabled = false WHERE id = :of_system;
SELECT pg_temp.hold('p', 'u9') = :id;
SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT pg_temp.give_back('o') $$) ~ '^KP008|^  It was settled';
-- Also when nobody needed the place so far.
SELECT pg_sleep(1.1);
SELECT pg_temp.failure($$ SELECT pg_temp.give_back('p') $$) ~ '^KP008|^  It was settled';
ALTER SYSTEM RESET keypool.lease_timeout;
SELECT pg_reload_conf();
