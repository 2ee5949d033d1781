-- Keys to be sealed anew, all of which open, and a copy of their table in the same layout for the
-- plain UPDATE. psql variable `keys`: how many, a multiple of 1000.
CREATE TABLE bench.plain (LIKE keypool.api_keys INCLUDING ALL) WITH (fillfactor = 45);

INSERT INTO keypool.providers (name, display_name, health_check)
VALUES ('bench_sealed', 'Keys to be sealed anew', false);

CREATE FUNCTION bench.add_sealed(first int, last int) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  SELECT count(add_key('bench_sealed', bench.api_key(n), 'primary', 'user-' || n))
  FROM generate_series(first, last) AS n
$$;

-- Other bytes of the same size in every envelope, as sealing anew has it.
CREATE FUNCTION bench.update_plainly(round int) RETURNS float8
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  began timestamptz := clock_timestamp();
BEGIN
  UPDATE bench.plain SET envelope = set_byte(envelope, 20, round);
  RETURN extract(epoch FROM clock_timestamp() - began);
END
$$;

-- Picks a second, of the clock on the wall.
CREATE FUNCTION bench.picks_a_second(seconds float8) RETURNS float8
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  began timestamptz := clock_timestamp();
  picks bigint := 0;
BEGIN
  WHILE clock_timestamp() < began + seconds * interval '1 s' LOOP
    PERFORM count(pick_key('bench_16')) FROM generate_series(1, 1000);
    picks := picks + 1000;
  END LOOP;
  RETURN picks / extract(epoch FROM clock_timestamp() - began);
END
$$;

-- Seconds from the call to rotate_data_key() until every row is under the new data key, as far as the
-- worker knows: looking whether that is so, which follows, writes nothing. Commits on the way.
CREATE PROCEDURE bench.reencrypt(INOUT seconds float8)
LANGUAGE plpgsql
AS $$
DECLARE
  began timestamptz := clock_timestamp();
BEGIN
  PERFORM rotate_data_key();
  COMMIT;
  LOOP
    PERFORM pg_sleep(0.01);
    EXIT WHEN (SELECT done > 0 AND remaining = 0 FROM keypool.reencryption_progress
               WHERE what = 'data_key');
    COMMIT;
  END LOOP;
  seconds := extract(epoch FROM clock_timestamp() - began);
END
$$;
