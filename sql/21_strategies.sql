-- Every strategy of the contract, how weights and rotation_interval bear on it, and that
-- explain_pick foretells what a pick takes.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

SELECT add_key('openai', pg_temp.key('aaaa')), add_key('openai', pg_temp.key('bbbb')),
       add_key('openai', pg_temp.key('cccc'));

CREATE FUNCTION pg_temp.use_strategy(strategy text, rotation interval = '0') RETURNS void
LANGUAGE sql AS $$
  UPDATE keypool.providers p SET strategy = $1, rotation_interval = rotation WHERE name = 'openai'
$$;

-- Of so many picks with a lease, those that did not go to whom explain_pick had put first.
CREATE FUNCTION pg_temp.surprises(times int, strategy text = NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
  foretold bigint;
  taken bigint;
BEGIN
  FOR n IN 1 .. times LOOP
    SELECT e.key_id INTO foretold FROM explain_pick('openai', strategy => $2) AS e
    WHERE e.position = 1 AND e.eligible;
    SELECT a.key_id INTO taken FROM acquire_key('openai', strategy => $2) AS a;
    IF foretold IS DISTINCT FROM taken THEN
      RETURN NEXT format('pick %s: %s taken, %s foretold', n, taken, foretold);
    END IF;
  END LOOP;
END $$;

-- The default is the setting's, until the provider has one of its own.
SELECT strategy FROM acquire_key('openai');
SELECT strategy FROM acquire_key('openai', strategy => 'single');
SELECT pg_temp.use_strategy('least_busy');
SELECT strategy FROM acquire_key('openai');
UPDATE keypool.providers SET strategy = 'best' WHERE name = 'openai';

-- round_robin: in turns; smoothly, by weight.
SELECT pg_temp.use_strategy('round_robin');
SELECT right(string_agg(tail, ' '), 29) ~ '^(\w{4}) (\w{4}) (\w{4}) \1 \2 \3$' AS in_turns
FROM regexp_split_to_table(pg_temp.picks(8, 'openai'), ' ') AS tail;
UPDATE keypool.api_keys SET weight = CASE id WHEN 1 THEN 3 WHEN 2 THEN 2 ELSE 1 END;
SELECT tail, count(*) FROM regexp_split_to_table(pg_temp.picks(600, 'openai'), ' ') AS tail
GROUP BY tail ORDER BY tail;
-- Never twice as many in a row as its share asks for: the heavy key is spread, not bunched.
SELECT pg_temp.picks(60, 'openai') ~ '(aaaa ?){3}' AS bunched;
UPDATE keypool.api_keys SET weight = 1;
SELECT pg_temp.surprises(20);

-- random: by weight. A thousand picks are within five standard deviations of it.
SELECT pg_temp.use_strategy('random');
UPDATE keypool.api_keys SET weight = CASE id WHEN 1 THEN 8 ELSE 1 END;
SELECT tail, count(*) BETWEEN CASE tail WHEN 'aaaa' THEN 736 ELSE 50 END
                          AND CASE tail WHEN 'aaaa' THEN 864 ELSE 150 END AS as_weighted
FROM regexp_split_to_table(pg_temp.picks(1000, 'openai'), ' ') AS tail
GROUP BY tail ORDER BY tail;
UPDATE keypool.api_keys SET weight = 1;

-- single: the first eligible one, in order.
SELECT pg_temp.use_strategy('single');
SELECT pg_temp.picks(4, 'openai');
UPDATE keypool.api_keys SET enabled = false WHERE id = 1;
SELECT pg_temp.picks(4, 'openai');
UPDATE keypool.api_keys SET enabled = true WHERE id = 1;
SELECT pg_temp.picks(2, 'openai');
SELECT pg_temp.surprises(5);

-- least_used: fewest requests in the last hour. A key that comes late catches up.
SELECT pg_temp.use_strategy('least_used');
SELECT add_key('openai', pg_temp.key('dddd'));
SELECT pg_temp.picks(5, 'openai');
SELECT pg_temp.surprises(20);
SELECT revoke_key(4);

-- least_busy: fewest leases in flight; what is given back counts no more.
CREATE TEMP TABLE held (lease_id bigint, key_id bigint);
CREATE FUNCTION pg_temp.hold(times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  names text = '';
BEGIN
  FOR n IN 1 .. times LOOP
    WITH taken AS (INSERT INTO held SELECT a.lease_id, a.key_id
                   FROM acquire_key('openai', 'busy') AS a RETURNING held.key_id)
    SELECT names || ' ' || t.key_id INTO names FROM taken AS t;
  END LOOP;
  RETURN names;
END $$;
SELECT pg_temp.use_strategy('least_busy');
SELECT add_key('openai', pg_temp.key('bus1'), user_id => 'busy'),
       add_key('openai', pg_temp.key('bus2'), user_id => 'busy'),
       add_key('openai', pg_temp.key('bus3'), user_id => 'busy');
SELECT pg_temp.hold(6);
SELECT release_key(lease_id) FROM held WHERE key_id = 6;
SELECT pg_temp.hold(2);
-- A pick without a lease makes nobody busy.
SELECT pg_temp.picks(10, 'openai', 'busy') <> '';
SELECT pg_temp.hold(3);

-- lowest_latency: as reported, by success. Near ones take turns; the unknown is tried first.
SELECT pg_temp.use_strategy('lowest_latency');
SELECT add_key('openai', pg_temp.key('lat1'), user_id => 'fast'),
       add_key('openai', pg_temp.key('lat2'), user_id => 'fast'),
       add_key('openai', pg_temp.key('lat3'), user_id => 'fast');
SELECT mark_key_success(8, 900), mark_key_success(9, 300);
SELECT pg_temp.picks(2, 'openai', 'fast');
SELECT mark_key_success(10, 5000);
SELECT pg_temp.picks(3, 'openai', 'fast');
SELECT count(mark_key_success(10, 20)) FROM generate_series(1, 40);
SELECT pg_temp.picks(3, 'openai', 'fast');
SELECT round(latency_ms) BETWEEN 20 AND 21 FROM keypool.api_keys_overview WHERE key_id = 10;

-- cost_optimized: lowest spend today, what is reserved included.
SELECT pg_temp.use_strategy('cost_optimized');
SELECT add_key('openai', pg_temp.key('cos1'), user_id => 'thrifty'),
       add_key('openai', pg_temp.key('cos2'), user_id => 'thrifty');
SELECT key_name FROM acquire_key('openai', 'thrifty', estimated_cost => 0.000000005);
SELECT key_name FROM acquire_key('openai', 'thrifty', estimated_cost => 0.000000002);
SELECT key_name FROM acquire_key('openai', 'thrifty', estimated_cost => 0.000000002);
SELECT key_name FROM acquire_key('openai', 'thrifty', estimated_cost => 1);
SELECT pg_temp.picks(3, 'openai', 'thrifty');

-- usage_based: the largest share left of a key's tightest limit. No limit at all is the most.
SELECT pg_temp.use_strategy('usage_based');
SELECT add_key('openai', pg_temp.key('use1'), user_id => 'even', rate_limit => 10),
       add_key('openai', pg_temp.key('use2'), user_id => 'even', rate_limit => 100,
               requests_per_minute => 30);
SELECT tail, count(*)
FROM regexp_split_to_table(pg_temp.picks(20, 'openai', 'even'), ' ') AS tail
GROUP BY tail ORDER BY tail;
SELECT add_key('openai', pg_temp.key('use3'), user_id => 'even');
SELECT pg_temp.picks(3, 'openai', 'even');

-- explain_pick foretells what a pick takes, by any strategy, asked for or set.
SELECT strategy, surprise
FROM unnest(ARRAY['round_robin', 'least_used', 'cost_optimized', 'single', 'least_busy',
                  'lowest_latency', 'usage_based']) AS strategy,
     pg_temp.surprises(12, strategy) AS surprise;
SELECT pg_temp.use_strategy('lowest_latency'), pg_temp.surprises(12);
SELECT pg_temp.use_strategy('least_busy'), pg_temp.surprises(12);
SELECT pg_temp.use_strategy('usage_based'), pg_temp.surprises(12);

-- rotation_interval: a choice sticks, unless its key goes out.
SELECT pg_temp.use_strategy('round_robin', '1 hour');
SELECT add_key('openai', pg_temp.key('rot1'), user_id => 'slow'),
       add_key('openai', pg_temp.key('rot2'), user_id => 'slow');
SELECT pg_temp.picks(4, 'openai', 'slow');
SELECT position, key_id, eligible FROM explain_pick('openai', 'slow') WHERE key_source = 'user';
SELECT mark_key_error(key_id, 'invalid_api_key', 401)
FROM explain_pick('openai', 'slow') WHERE position = 1;
SELECT pg_temp.picks(4, 'openai', 'slow');
-- A wish of its own is answered on its own, and moves nothing.
SELECT key_name FROM acquire_key('openai', 'slow', exclude => '{1}');
SELECT rotate_key(key_id, pg_temp.key('rot3'))
FROM explain_pick('openai', 'slow') WHERE NOT eligible;
SELECT pg_temp.use_strategy('round_robin', '0.2 s');
SELECT count(DISTINCT tail)
FROM regexp_split_to_table(concat_ws(' ', pg_temp.picks(2, 'openai', 'slow'), pg_sleep(0.25),
                                     pg_temp.picks(2, 'openai', 'slow')), ' ') AS tail
WHERE tail <> '';

-- A change of the default takes hold at once, whatever the keys were ranked by before.
UPDATE keypool.providers SET strategy = NULL, rotation_interval = '0' WHERE name = 'openai';
ALTER SYSTEM SET keypool.default_strategy = 'single';
SELECT pg_reload_conf();
SELECT pg_sleep(1);
SHOW keypool.default_strategy;
SELECT pg_temp.picks(4, 'openai', 'fast');
ALTER SYSTEM SET keypool.default_strategy = 'lowest_latency';
SELECT pg_reload_conf();
SELECT pg_sleep(1);
SELECT pg_temp.picks(3, 'openai', 'fast');
ALTER SYSTEM RESET keypool.default_strategy;
SELECT pg_reload_conf();
SELECT pg_sleep(1);
SELECT tail, count(*)
FROM regexp_split_to_table(pg_temp.picks(30, 'openai', 'fast'), ' ') AS tail
GROUP BY tail ORDER BY tail;
