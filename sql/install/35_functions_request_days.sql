-- Which days should have a partition of the request log, and how several get theirs at once. How
-- one is made: 35_functions_partitions.sql.

-- The first day of which requests are kept: everything from a day that ended longer ago than
-- keypool.request_retention goes. NULL: all are kept.
CREATE FUNCTION keypool.first_kept_day()
RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT ((now() - s.setting::int * interval '1 minute') AT TIME ZONE 'UTC')::date
  FROM pg_settings s
  WHERE s.name = 'keypool.request_retention' AND s.setting <> '0'
$$;

-- The days that should have a partition, today's first: those around today, and those that have
-- rows in the default partition. However far ahead is asked for, it is not more than some months.
CREATE FUNCTION keypool.missing_request_days(ahead int = 7)
RETURNS SETOF date
LANGUAGE sql STABLE PARALLEL SAFE STRICT ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE today(day) AS (
    SELECT (now() AT TIME ZONE 'UTC')::date
  ), stray(day) AS (
    SELECT today.day - 401 FROM today
    UNION ALL
    -- One index look-up for each day, however many rows it has.
    SELECT (SELECT (min(d.created_at) AT TIME ZONE 'UTC')::date
            FROM ONLY keypool.chat_completion_requests_default d
            WHERE d.created_at >= keypool.start_of_day(stray.day + 1))
    FROM stray, today
    WHERE stray.day < today.day + 400
  ), wanted AS (
    SELECT today.day + n AS day FROM today, generate_series(-1, least(ahead, 100)) AS n
    UNION
    SELECT stray.day FROM stray, today WHERE stray.day BETWEEN today.day - 400 AND today.day + 400
  )
  SELECT w.day
  FROM wanted w, today
  WHERE NOT EXISTS (SELECT FROM keypool.request_partitions() p WHERE p.day = w.day)
    AND w.day >= coalesce(keypool.first_kept_day(), w.day)
  ORDER BY abs(w.day - today.day), w.day DESC
$$;

-- All that are missing, in one transaction: how CREATE EXTENSION starts. Returns how many it made.
CREATE FUNCTION keypool.make_request_partitions(ahead int = 7)
RETURNS int
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT count(*)::int FROM keypool.missing_request_days(ahead) AS day
  WHERE keypool.make_request_partition(day) = 'made'
$$;

-- Before an import: partitions for all of these days. Makes four at most, so that its locks last
-- but moments, and returns how many days are still without: call it until that is 0, each time in a
-- transaction of its own.
CREATE FUNCTION keypool.ensure_request_partitions(first_day date, last_day date)
RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  day date;
  missing int := 0;
  made int := 0;
  outcome text;
BEGIN
  IF last_day - first_day >= 400 THEN
    RAISE EXCEPTION 'cannot make partitions for % days', last_day - first_day + 1
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask for 400 days at most.';
  END IF;
  FOR day IN
    SELECT first_day + n FROM generate_series(0, last_day - first_day) AS n
    EXCEPT SELECT p.day FROM keypool.request_partitions() p
    ORDER BY 1
  LOOP
    outcome := CASE WHEN made < 4 THEN keypool.make_request_partition(day) ELSE 'later' END;
    made := made + (outcome = 'made')::int;
    missing := missing + (outcome IN ('busy', 'later'))::int;
    EXIT WHEN outcome = 'busy';
  END LOOP;
  RETURN missing;
END
$$;
