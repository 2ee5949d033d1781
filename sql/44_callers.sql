-- Limits on picks themselves: by role, by user, for each; what counts, and what is said.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

SELECT add_key('openai', pg_temp.key('syst'));
CREATE ROLE regress_app;
CREATE ROLE regress_other;
SELECT grant_keypool('regress_app', 'caller'), grant_keypool('regress_other', 'caller');

-- How many of so many attempts are let in.
CREATE FUNCTION pg_temp.let_in(attempts int, user_id text = NULL) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  done int := 0;
BEGIN
  FOR i IN 1 .. attempts LOOP
    BEGIN
      PERFORM pick_key('openai', user_id);
      done := done + 1;
    EXCEPTION WHEN SQLSTATE 'KP002' THEN
      NULL;
    END;
  END LOOP;
  RETURN done;
END $$;
CREATE FUNCTION pg_temp.limit_caller(scope text, name text, by_minute int, by_hour int = NULL)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO keypool.caller_limits (scope, name, picks_per_minute, picks_per_hour)
  VALUES ($1, $2, $3, $4)
$$;
CREATE VIEW pg_temp.usage AS
SELECT scope, name, picks_minute, picks_per_minute, picks_per_minute_left AS left_minute,
       picks_hour, picks_per_hour, picks_per_hour_left AS left_hour, free_at > now() AS must_wait
FROM keypool.caller_usage ORDER BY scope, name;

-- Nobody is limited, and nobody is counted.
SELECT pg_temp.let_in(30), pg_temp.let_in(30, 'u1');
SELECT * FROM pg_temp.usage;

-- A role, by the minute. The answer says who, how much, and when the next is let in.
SELECT pg_temp.limit_caller('role', 'regress_app', 5);
SELECT * FROM pg_temp.usage;
SET ROLE regress_app;
SELECT pg_temp.let_in(9);
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai') $$);
-- Looking is free.
SELECT count(*) FROM explain_pick('openai');
SELECT count(*) FROM available_providers();
SET ROLE regress_other;
SELECT pg_temp.let_in(9);
RESET ROLE;
SELECT * FROM pg_temp.usage;

-- A changed limit holds for what was picked before.
UPDATE keypool.caller_limits SET picks_per_minute = 7, picks_per_hour = 8;
SET ROLE regress_app;
SELECT pg_temp.let_in(9);
RESET ROLE;
UPDATE keypool.caller_limits SET picks_per_minute = NULL;
SET ROLE regress_app;
SELECT pg_temp.let_in(9);
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
RESET ROLE;
SELECT * FROM pg_temp.usage;
-- Seen by the transaction that changed it, and gone with it.
BEGIN;
DELETE FROM keypool.caller_limits;
SET LOCAL ROLE regress_app;
SELECT pg_temp.let_in(9);
ROLLBACK;
BEGIN;
SAVEPOINT before;
TRUNCATE keypool.caller_limits;
SET LOCAL ROLE regress_app;
SELECT pg_temp.let_in(2);
ROLLBACK TO before;
SET LOCAL ROLE regress_app;
SELECT pg_temp.let_in(2);
COMMIT;
-- Disabled: as if the row were not there.
UPDATE keypool.caller_limits SET enabled = false;
SET ROLE regress_app;
SELECT pg_temp.let_in(9);
RESET ROLE;
SELECT * FROM pg_temp.usage;
TRUNCATE keypool.caller_limits;

-- What a function does with its owner's rights is its caller's doing.
CREATE FUNCTION regress_pick() RETURNS text LANGUAGE sql SECURITY DEFINER AS
$$ SELECT right(pick_key('openai'), 4) $$;
CREATE ROLE regress_web;
SELECT pg_temp.limit_caller('role', 'regress_web', 2);
SET ROLE regress_web;
SELECT regress_pick(), regress_pick();
SELECT pg_temp.failure($$ SELECT regress_pick() $$);
RESET ROLE;
SELECT regress_pick();
-- A role's name is what counts: the row goes on with whoever bears it.
SELECT pg_temp.limit_caller('role', 'regress_api', 3);
ALTER ROLE regress_web RENAME TO regress_api;
SET ROLE regress_api;
SELECT regress_pick(), regress_pick(), regress_pick();
SELECT pg_temp.failure($$ SELECT regress_pick() $$);
RESET ROLE;
TRUNCATE keypool.caller_limits;

-- Each role: not superusers, not the owner; a row of one's own goes before it, and may be none.
SELECT pg_temp.limit_caller('role', '*', 4), pg_temp.limit_caller('role', 'regress_other', NULL);
CREATE ROLE regress_new;
SELECT grant_keypool('regress_new', 'caller');
SET ROLE regress_new;
SELECT pg_temp.let_in(9);
SET ROLE regress_other;
SELECT pg_temp.let_in(9);
RESET ROLE;
SELECT pg_temp.let_in(9);
SELECT * FROM pg_temp.usage;
ALTER ROLE regress_new SUPERUSER;
SET ROLE regress_new;
SELECT pg_temp.let_in(9);
RESET ROLE;
ALTER ROLE regress_new NOSUPERUSER;
SET ROLE regress_new;
SELECT pg_temp.let_in(9);
RESET ROLE;
-- By name they are limited like all others.
SELECT pg_temp.limit_caller('role', current_user::text, 3);
SELECT pg_temp.let_in(9);
TRUNCATE keypool.caller_limits;
SELECT pg_temp.let_in(9);

-- Users, each and by name; who asks does not matter, and nobody in particular is not limited.
SELECT pg_temp.limit_caller('user', '*', 3), pg_temp.limit_caller('user', 'u2', 6, 5),
       pg_temp.limit_caller('user', 'u3', NULL);
SELECT pg_temp.let_in(9, 'u1'), pg_temp.let_in(9, 'u2'), pg_temp.let_in(9, 'u3'),
       pg_temp.let_in(9, 'U1'), pg_temp.let_in(9, repeat('u', 255)), pg_temp.let_in(9),
       pg_temp.let_in(9, '');
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u2') $$);
SELECT scope, left(name, 3) AS name, picks_minute, left_minute, picks_hour, left_hour, must_wait
FROM pg_temp.usage WHERE scope = 'user';
TRUNCATE keypool.caller_limits;

-- Both at once: who is refused as a user takes nothing from his role.
SELECT pg_temp.limit_caller('role', 'regress_new', 14), pg_temp.limit_caller('user', '*', 2);
SET ROLE regress_new;
SELECT pg_temp.let_in(9, 'v1'), pg_temp.let_in(9, 'v2'), pg_temp.let_in(99), pg_temp.let_in(9, 'v3');
RESET ROLE;
SELECT name, picks_minute, left_minute FROM pg_temp.usage
WHERE name IN ('regress_new', 'v1', 'v2', 'v3');
TRUNCATE keypool.caller_limits;

-- Attempts that are let in count, whatever becomes of them: of the pick, or of the transaction.
SELECT pg_temp.limit_caller('user', 'w1', 6);
SELECT pg_temp.failure($$ SELECT pick_key('anthropic', 'w1') $$);
SELECT pg_temp.failure($$ SELECT pick_key('opnai', 'w1') $$);
SELECT lease_id > 0 AS lease, release_key(lease_id) FROM acquire_key('openai', 'w1');
SELECT key_name FROM acquire_key('anthropic', 'w1', fallback => true);
BEGIN;
SELECT pg_temp.let_in(1, 'w1');
ROLLBACK;
SELECT pg_temp.let_in(9, 'w1');
SELECT picks_minute, left_minute FROM pg_temp.usage WHERE name = 'w1';

-- What cannot be.
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('users', 'u', 1) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', 'u', 0) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', 'u', 1, -1) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', '', 1) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', repeat('u', 256), 1) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', NULL, 1) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', '*', NULL) $$);
SELECT pg_temp.failure($$ SELECT pg_temp.limit_caller('user', 'w1', 1) $$);
SELECT pg_temp.failure($$ SELECT keypool.caller_limits_changed() $$);

-- An installation made anew starts at nothing.
SET client_min_messages = warning;
DROP EXTENSION pg_keypool CASCADE;
CREATE EXTENSION pg_keypool;
RESET client_min_messages;
SELECT add_key('openai', pg_temp.key('anew'));
SELECT pg_temp.let_in(9, 'w1');
SELECT pg_temp.limit_caller('user', 'w1', 8);
SELECT pg_temp.let_in(9, 'w1');

DROP EXTENSION pg_keypool CASCADE;
DROP FUNCTION regress_pick();
DROP OWNED BY regress_app, regress_other, regress_api, regress_new;
DROP ROLE regress_app, regress_other, regress_api, regress_new;
