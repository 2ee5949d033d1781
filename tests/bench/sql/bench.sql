-- The measuring functions. psql variable `yardstick`: the path of yardstick.so, without ".so".
--
-- Everything counts CPU time of the server process, less that of the same loop without the call.
CREATE SCHEMA bench;

CREATE FUNCTION bench.constant_text(text) RETURNS text
LANGUAGE C VOLATILE AS :'yardstick', 'constant_text';

CREATE FUNCTION bench.cpu_ns() RETURNS bigint
LANGUAGE C VOLATILE AS :'yardstick', 'cpu_ns';

-- An API key of 60 characters, a different one for each n.
CREATE FUNCTION bench.api_key(n int) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT 'sk-' || md5(n::text) || substr(md5(n || ' again'), 1, 25) $$;

-- CPU nanoseconds of one evaluation in a loop of `times`. The expression may use g (1 … times)
-- and $2 (the round).
CREATE FUNCTION bench.cost(expression text, times int, round int) RETURNS float8
LANGUAGE plpgsql VOLATILE
-- So that the loop's numbers stay in memory.
SET work_mem = '256MB'
AS $$
DECLARE
  before bigint := bench.cpu_ns();
BEGIN
  EXECUTE format('SELECT count(%s) FROM generate_series(1, $1) AS g', expression)
    USING times, round;
  RETURN (bench.cpu_ns() - before) / times::float8;
END
$$;

-- Medians of the rounds, in which the two are measured in turn. `idle` is the loop's own work,
-- taken off both. `faster`: how many times as fast as the other `ours` is.
CREATE FUNCTION bench.compare(ours text, other text, times int, other_times int = NULL,
                              idle text = 'g', rounds int = 5,
                              OUT ours_ns float8, OUT other_ns float8, OUT faster float8)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  own float8[];
  others float8[];
BEGIN
  other_times := coalesce(other_times, times);
  -- Round 0 warms caches and is forgotten.
  FOR round IN 0 .. rounds LOOP
    own[round] := bench.cost(ours, times, round) - bench.cost(idle, times, round);
    others[round] := bench.cost(other, other_times, round) - bench.cost(idle, other_times, round);
  END LOOP;
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY own[i]),
         percentile_cont(0.5) WITHIN GROUP (ORDER BY others[i]),
         percentile_cont(0.5) WITHIN GROUP (ORDER BY others[i] / own[i])
    INTO ours_ns, other_ns, faster
    FROM generate_series(1, rounds) AS i;
END
$$;
