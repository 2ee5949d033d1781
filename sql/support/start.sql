\set ECHO none
-- Included by the tests of picking: the extension afresh, and what they share. Secrets are made up,
-- in OpenAI's shape, and shown by their last four characters.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_keypool CASCADE;
CREATE EXTENSION pg_keypool;
RESET client_min_messages;
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION pg_temp.key(tail text) RETURNS text LANGUAGE sql AS
$$ SELECT 'sk-proj-' || repeat('k', 24) || tail $$;

-- Moments differ from run to run.
CREATE FUNCTION pg_temp.timeless(line text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(
            regexp_replace(line, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^ ,.")]*(\.\d+[^ ,.")]*)?',
                           '<moment>', 'g'),
            'in \d+ s\.', 'in <n> s.') $$;

-- What a statement fails with, as lines: SQLSTATE and message, detail, hint.
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
  IF detail <> '' THEN RETURN NEXT '  ' || pg_temp.timeless(detail); END IF;
  IF hint <> '' THEN RETURN NEXT '  ' || pg_temp.timeless(hint); END IF;
END $$;

-- The tails of so many picks in a row, as one line.
CREATE FUNCTION pg_temp.picks(times int, provider text, user_id text = NULL,
                              organization_id text = NULL, model text = NULL)
RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(tail, ' ' ORDER BY n)
  FROM (SELECT n, right(pick_key(provider, user_id, organization_id, model), 4) AS tail
        FROM generate_series(1, times) AS n OFFSET 0) AS picked
$$;
\set ECHO all
