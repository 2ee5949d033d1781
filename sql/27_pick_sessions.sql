-- Picks from sessions as they come: any search path, role, setting, language and way of execution.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';
SELECT add_key('openai', pg_temp.key('main')) AS id \gset
SELECT extnamespace::regnamespace AS home FROM pg_extension WHERE extname = 'pg_keypool' \gset

-- No name is looked up where somebody else could have put one.
CREATE SCHEMA evil;
CREATE TABLE evil.api_keys (id bigint, envelope bytea);
CREATE TABLE evil.providers (name text);
CREATE FUNCTION evil.texteq(text, text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'taken in'; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.texteq);
SET search_path = evil, pg_catalog;
SELECT right(:home.pick_key('openai'), 4);
SELECT key_id = :id FROM :home.acquire_key('openai', fallback => true);
SELECT eligible FROM :home.explain_pick('openai');
SELECT provider FROM :home.available_providers();
SELECT :home.get_usage_stats('openai')->'total_keys';
SELECT :home.mark_key_success(:id);
SET search_path = '';
SELECT pg_catalog.right(:home.pick_key('openai', 'u1', 'o1', 'gpt-4'), 4);
SELECT :home.add_key('openai', 'sk-proj-' || pg_catalog.repeat('k', 24) || 'path',
                     user_id => 'u1') > 0;
SELECT pg_catalog.right(:home.pick_key('openai', 'u1'), 4);
RESET search_path;
DROP SCHEMA evil CASCADE;

-- Settings that change how text is read or printed change no pick.
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET bytea_output = escape;
SET DateStyle = 'German, DMY';
SET IntervalStyle = sql_standard;
SET TimeZone = 'Pacific/Apia';
SET default_transaction_read_only = on;
SET default_transaction_isolation = serializable;
SELECT right(pick_key('openai'), 4), right(pick_key('openai', 'u1'), 4);
SELECT key_id = :id FROM acquire_key('openai');
RESET ALL;

-- A caller owns nothing here and reads no table; one without rights does not even pick.
CREATE ROLE keypool_test_caller;
CREATE ROLE keypool_test_nobody;
SELECT grant_keypool('keypool_test_caller', 'caller');
SET ROLE keypool_test_caller;
SELECT right(pick_key('openai'), 4), right(pick_key('openai', 'u1'), 4),
       right(pick_key('openai', 'nobody knows'), 4);
SELECT key_id = :id FROM acquire_key('openai', 'u2');
SELECT count(*) FROM explain_pick('openai', 'u1');
SELECT mark_key_error(:id, '', 400);
SELECT count(*) FROM keypool.api_keys;
SET ROLE keypool_test_nobody;
SELECT pick_key('openai');
SELECT * FROM acquire_key('openai');
RESET ROLE;
-- The cold start, too: the first pick after a change loads the keys as whoever picks.
UPDATE keypool.api_keys SET weight = 2;
SET ROLE keypool_test_caller;
SELECT right(pick_key('openai'), 4), right(pick_key('openai', 'u1'), 4);
RESET ROLE;
-- Row-level security that somebody put on the table hides no key from the pool.
ALTER TABLE keypool.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
UPDATE keypool.api_keys SET weight = 1;
SET ROLE keypool_test_caller;
SELECT right(pick_key('openai'), 4);
RESET ROLE;
ALTER TABLE keypool.api_keys NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;

-- Wrapped, prepared, in a cursor, in a view, in an index-free loop, in an exception block.
CREATE FUNCTION pg_temp.wrapped(who text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  secret text;
BEGIN
  secret := pick_key('openai', who);
  RETURN right(secret, 4);
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  RETURN 'none';
END $$;
SELECT pg_temp.wrapped('u1'), pg_temp.wrapped(NULL);
CREATE FUNCTION pg_temp.definer() RETURNS text LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog AS $$ SELECT pg_catalog.right(public.pick_key('openai'), 4) $$;
SELECT pg_temp.definer();
PREPARE picking(text, text) AS SELECT right(pick_key($1, $2), 4);
SET plan_cache_mode = force_generic_plan;
EXECUTE picking('openai', 'u1');
EXECUTE picking('openai', 'u2');
RESET plan_cache_mode;
BEGIN;
DECLARE chosen SCROLL CURSOR FOR
SELECT n, right(pick_key('openai'), 4) FROM generate_series(1, 5) AS n;
FETCH 2 FROM chosen;
UPDATE keypool.api_keys SET enabled = false WHERE id = :id;
FETCH 1 FROM chosen;
FETCH BACKWARD 2 FROM chosen;
ROLLBACK;
CREATE TEMP VIEW chosen AS SELECT right(pick_key('openai'), 4) AS tail;
SELECT * FROM chosen;
CREATE TEMP TABLE defaults (n int, tail text DEFAULT right(pick_key('openai'), 4));
INSERT INTO defaults (n) SELECT generate_series(1, 3);
SELECT tail, count(*) FROM defaults GROUP BY tail;
DO $$
DECLARE
  tail text;
BEGIN
  FOR n IN 1 .. 50 LOOP
    BEGIN
      tail := right(pick_key('openai', CASE WHEN n % 2 = 0 THEN 'u1' END), 4);
      IF n % 3 = 0 THEN RAISE EXCEPTION 'undo'; END IF;
    EXCEPTION WHEN raise_exception THEN
      NULL;
    END;
  END LOOP;
  RAISE NOTICE 'last was %', tail;
END $$;

-- Every row of a statement is a pick of its own, and none is folded away.
SELECT picks AS before FROM keypool.api_keys_overview WHERE key_id = :id \gset
SELECT count(DISTINCT pick_key('openai')), count(*) FROM generate_series(1, 1000);
SELECT picks - :before FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT count(*) FROM generate_series(1, 1000) AS n, LATERAL pick_key('openai', 'u' || n) AS secret;
SELECT right(pick_key('openai'), 4) FROM (VALUES (1), (2)) AS v
WHERE pick_key('openai') IS NOT NULL;
COPY (SELECT right(pick_key('openai'), 4) FROM generate_series(1, 2)) TO STDOUT;

-- Parallel plans: forced wherever they may be, which with a pick in the query is nowhere.
SELECT set_config(CASE WHEN current_setting('server_version_num')::int >= 160000
                       THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END,
                  'regress', false);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE many AS SELECT n FROM generate_series(1, 20000) AS n;
ANALYZE many;
SELECT count(*), max(right(pick_key('openai'), 4)) FROM many WHERE n % 100 = 0;
SELECT right(pick_key('openai'), 4), key_id = :id FROM acquire_key('openai');
-- Somebody says that his wrapper is safe where it is not. Once the keys are loaded there is no harm
-- in it.
CREATE FUNCTION unsafe_in_disguise() RETURNS text LANGUAGE sql PARALLEL SAFE
AS $$ SELECT right(public.pick_key('openai'), 4) $$;
CREATE FUNCTION unsafe_in_plpgsql() RETURNS text LANGUAGE plpgsql PARALLEL SAFE
AS $$ BEGIN RETURN right(public.pick_key('openai'), 4); END $$;
SELECT unsafe_in_disguise() AS tail, count(*) FROM many WHERE n % 100 = 0 GROUP BY tail;
SELECT unsafe_in_plpgsql() AS tail, count(*) FROM many WHERE n % 100 = 0 GROUP BY tail;
DROP TABLE many;
DROP FUNCTION unsafe_in_disguise();
DROP FUNCTION unsafe_in_plpgsql();
RESET ALL;

-- Without the functions' schema in the path, and with the extension in another.
SET client_min_messages = warning;
DROP EXTENSION pg_keypool CASCADE;
CREATE SCHEMA "Key Pool";
CREATE EXTENSION pg_keypool SCHEMA "Key Pool";
RESET client_min_messages;
SELECT pick_key('openai');
SELECT "Key Pool".add_key('openai', pg_temp.key('else'));
SELECT right("Key Pool".pick_key('openai'), 4);
SELECT key_id FROM "Key Pool".acquire_key('openai');
SELECT "Key Pool".get_usage_stats('openai')->'total_keys';
SELECT hint FROM keypool.api_keys_overview;
SELECT "Key Pool".grant_keypool('keypool_test_caller', 'caller');
SET ROLE keypool_test_caller;
SELECT right("Key Pool".pick_key('openai'), 4);
RESET ROLE;
ALTER EXTENSION pg_keypool SET SCHEMA public;

SET client_min_messages = warning;
DROP EXTENSION pg_keypool CASCADE;
DROP SCHEMA "Key Pool";
DROP OWNED BY keypool_test_caller;
DROP ROLE keypool_test_caller;
DROP ROLE keypool_test_nobody;
CREATE EXTENSION pg_keypool;
