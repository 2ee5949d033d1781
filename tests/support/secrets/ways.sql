-- Every way to hand a secret in: what differs is where the text is kept, quoted, copied and logged.
-- A key in double angle brackets is made up when the script is read: its provider's format, and a name for reports.
SELECT add_key('openai', '<<openai simple>>');
SELECT public.add_key(provider => 'openai', secret => '<<openai named>>', name => 'named');
SELECT add_key('openai', E'<<openai escape string>>'), add_key('openai', $$<<openai dollars>>$$);
SELECT add_key('openai', $key$<<openai tagged dollars>>$key$), add_key('openai', U&'<<openai unicode>>');
SELECT add_key('openai', '<<openai cast>>'::text), add_key('openai', CAST('<<openai cast too>>' AS varchar));
SELECT add_key('openai', 'sk-proj-' || right('<<openai concatenated>>', -8));
SELECT "add_key" ( 'openai' , /* by hand */ '<<openai spaced>>' -- the new one
  , user_id => 'ann' );
sElEcT ADD_KEY('openai', '<<openai upper case>>', organization_id => 'acme');
SELECT 1; SELECT add_key('openai', '<<openai second>>'); SELECT 2;
SELECT 1 \; SELECT add_key('openai', '<<openai in a message of many>>') \; SELECT 2;
WITH k AS (SELECT '<<openai common table>>' AS secret) SELECT add_key('openai', secret) FROM k;
WITH k AS MATERIALIZED (SELECT add_key('openai', '<<openai materialised>>')) SELECT * FROM k;
SELECT add_key('openai', v.secret) FROM (VALUES ('<<openai values>>'), ('<<openai values too>>')) v (secret);
SELECT add_key('openai', s) FROM unnest(ARRAY['<<openai array>>', '<<openai array too>>']) s;
SELECT * FROM add_key('openai', '<<openai from>>') id WHERE id > 0;
SELECT count(*) FROM generate_series(1, 2) g WHERE g = 3 OR add_key('openai', '<<openai condition>>' || g) > 0;
COPY (SELECT add_key('openai', '<<openai copy>>')) TO STDOUT;
CREATE TABLE made AS SELECT add_key('openai', '<<openai create table as>>') AS id;
SELECT add_key('openai', '<<openai select into>>') AS id INTO made_too;
INSERT INTO made SELECT add_key('openai', '<<openai insert>>') RETURNING id;
UPDATE made SET id = add_key('openai', '<<openai update>>') WHERE ctid = '(0,1)';
BEGIN;
DECLARE adding CURSOR FOR SELECT add_key('openai', '<<openai cursor>>');
FETCH adding;
COMMIT;
BEGIN;
SELECT add_key('openai', '<<openai rolled back>>');
SAVEPOINT before;
SELECT add_key('openai', '<<openai savepoint>>');
ROLLBACK TO before;
ROLLBACK;
PREPARE adding(text) AS SELECT add_key('openai', $1);
EXECUTE adding('<<openai execute>>');
EXECUTE adding('<<openai execute too>>'::text);
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) EXECUTE adding('<<openai explain execute>>');
PREPARE same AS SELECT add_key('openai', '<<openai prepare>>');
EXECUTE same;
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT add_key('openai', '<<openai explain>>');

-- Inside PL/pgSQL, with nested statements logged as well.
DO $$ BEGIN PERFORM add_key('openai', '<<openai do>>'); END $$;
DO $$ DECLARE s text := '<<openai variable>>'; BEGIN PERFORM add_key('openai', s); END $$;
DO $do$ BEGIN EXECUTE 'SELECT add_key(''openai'', ''<<openai do execute>>'')'; END $do$;
DO $do$ BEGIN EXECUTE $$ SELECT add_key('openai', '<<openai do execute dollars>>') $$; END $do$;
DO $$ BEGIN EXECUTE 'SELECT add_key($1, $2)' USING 'openai', '<<openai using>>'; END $$;
DO $$ BEGIN EXECUTE format('SELECT add_key(%L, %L)', 'openai', '<<openai format>>'); END $$;
DO $$ DECLARE id bigint; BEGIN id := add_key('openai', '<<openai assigned>>'); END $$;
DO $$ BEGIN
  BEGIN PERFORM add_key('opnai', '<<openai caught>>');
    EXCEPTION WHEN OTHERS THEN RAISE LOG 'caught: % %', SQLERRM, SQLSTATE; END;
END $$;
CREATE FUNCTION pg_temp.add_for(secret text, OUT id bigint) LANGUAGE plpgsql
  AS $$ BEGIN id := (SELECT add_key('openai', secret)); END $$;
SELECT pg_temp.add_for('<<openai own function>>');
CREATE FUNCTION pg_temp.add_by_sql(text) RETURNS bigint LANGUAGE sql AS $$ SELECT add_key('openai', $1) $$;
SELECT pg_temp.add_by_sql('<<openai own SQL function>>');
CREATE PROCEDURE pg_temp.add_by_call(text) LANGUAGE plpgsql
  AS $$ BEGIN PERFORM add_key('openai', $1); COMMIT; END $$;
CALL pg_temp.add_by_call('<<openai call>>');

-- Keys of no known format, which only the place they are handed in tells apart: as literals of the
-- call itself, or as parameters (docs/redaction.md).
SELECT add_key('gateway', '<<none simple>>');
SELECT add_key(secret => '<<none named>>', provider => 'gateway');
SELECT resolve_key('<<none resolve>>'), resolve_key($$<<none resolve dollars>>$$);
SELECT * FROM validate_key('gateway', '<<none validate>>');
SELECT rotate_key(id, '<<none rotate>>') FROM keypool.api_keys WHERE name = 'named';
DO $$ BEGIN PERFORM add_key('gateway', '<<none do>>'); END $$;
DO $do$ BEGIN EXECUTE 'SELECT add_key(''gateway'', ''<<none do execute>>'')'; END $do$;
PREPARE plain(text) AS SELECT add_key('gateway', $1);
EXECUTE plain('<<none execute>>');
PREPARE plainer AS SELECT add_key('gateway', '<<none prepare>>');
EXECUTE plainer;
COPY (SELECT add_key('gateway', '<<none copy>>')) TO STDOUT;
CREATE TABLE made_three AS SELECT add_key('gateway', '<<none create table as>>');
BEGIN;
DECLARE adding CURSOR FOR SELECT add_key('gateway', '<<none cursor>>');
FETCH adding;
COMMIT;
SELECT pg_temp.add_for('<<openai own function again>>');
SELECT add_webhook('http://127.0.0.1:9/none', '<<none webhook>>');
SELECT * FROM import_keys('{"providers": {"gateway": {"api_keys": [{"key": "<<none import>>"}]}}}');
SELECT log_request('gateway', 'm', 'ann', api_key => '<<none log request>>');
SELECT log_requests('[{"provider": "gateway", "model": "m", "api_key": "<<none log requests>>"}]');
SET keypool.user_id = 'ann';
SELECT add_my_key('gateway', '<<none my own>>');
DO $$ BEGIN PERFORM add_my_key('gateway', '<<none my own in a block>>'); END $$;
RESET keypool.user_id;
SELECT * FROM import_trace_keys('{"X-API-Key-OpenAI": "<<openai header>>"}', 'carol');
