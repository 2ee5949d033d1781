-- Keys that serve some models or one region only, and failures that concern one model.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';

-- Whole names and prefixes. Without a model asked for, every key will do.
SELECT add_key('openai', pg_temp.key('gpt4'), models => '{gpt-4*,o3}', user_id => 'u1'),
       add_key('openai', pg_temp.key('mini'), models => '{gpt-4o-mini}', user_id => 'u1'),
       add_key('openai', pg_temp.key('free'), user_id => 'u1');
SELECT model, right(pick_key('openai', 'u1', NULL, model), 4)
FROM unnest(ARRAY['gpt-4', 'gpt-4o-mini', 'gpt-4-turbo', 'o3', 'o3-mini', 'gpt-3.5', 'GPT-4',
                  'gpt-', '', NULL]) AS model;
SELECT key_name, model
FROM unnest(ARRAY['gpt-4o-mini', 'o3-mini']) AS asked,
     acquire_key('openai', 'u1', model => asked, exclude => '{1}');
SELECT key_id, eligible, reason FROM explain_pick('openai', 'u1', model => 'o3-mini')
ORDER BY key_id;
-- A lone star is any model; a star elsewhere is a star.
SELECT add_key('openai', pg_temp.key('star'), models => '{*}', user_id => 'u2'),
       add_key('openai', pg_temp.key('midd'), models => '{gpt*mini}', user_id => 'u3');
SELECT right(pick_key('openai', 'u2', NULL, 'whatever'), 4),
       right(pick_key('openai', 'u3', NULL, 'gpt*mini'), 4);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u3', NULL, 'gpt-4o-mini') $$);
-- The last of eight counts as the first does; long names are told apart to the end.
SELECT add_key('openai', pg_temp.key('many'), models => '{a,b,c,d,e,f,g,h}', user_id => 'u4') > 0;
SELECT right(pick_key('openai', 'u4', NULL, 'h'), 4);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4', NULL, 'i') $$);
SELECT add_key('openai', pg_temp.key('long'), user_id => 'u5',
               models => ARRAY[repeat('m', 200) || 'x', repeat('n', 200) || '*']) > 0;
SELECT right(pick_key('openai', 'u5', NULL, repeat('m', 200) || 'x'), 4),
       right(pick_key('openai', 'u5', NULL, repeat('n', 200) || 'anything'), 4);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u5', NULL, repeat('m', 200) || 'y') $$);
-- A restriction that changes holds at once; one that goes restricts nobody.
UPDATE keypool.api_keys SET models = '{o1}' WHERE user_id = 'u4';
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4', NULL, 'h') $$);
SELECT right(pick_key('openai', 'u4', NULL, 'o1'), 4);
UPDATE keypool.api_keys SET models = NULL WHERE user_id = 'u4';
SELECT right(pick_key('openai', 'u4', NULL, 'h'), 4);

-- The next owner serves a model that this one's keys may not.
SELECT add_key('openai', pg_temp.key('orga'), organization_id => 'o1', models => '{o3-mini}'),
       add_key('openai', pg_temp.key('syst'));
SELECT right(pick_key('openai', 'u3', 'o1', 'o3-mini'), 4),
       right(pick_key('openai', 'u3', 'o1', 'gpt-4'), 4);

-- Turns stay fair for each model: the key for all of them does not starve, nor pile up.
UPDATE keypool.providers SET strategy = 'round_robin';
SELECT add_key('openai', pg_temp.key('only'), user_id => 'u6', models => '{m1}'),
       add_key('openai', pg_temp.key('both'), user_id => 'u6');
SELECT tail, count(*)
FROM regexp_split_to_table(pg_temp.picks(100, 'openai', 'u6', NULL, 'm1'), ' ') AS tail
GROUP BY tail ORDER BY tail;
SELECT tail, count(*)
FROM regexp_split_to_table(pg_temp.picks(50, 'openai', 'u6', NULL, 'm2'), ' ') AS tail
GROUP BY tail ORDER BY tail;
SELECT tail, count(*) BETWEEN 49 AND 51 AS half
FROM regexp_split_to_table(pg_temp.picks(100, 'openai', 'u6', NULL, 'm1'), ' ') AS tail
GROUP BY tail ORDER BY tail;
UPDATE keypool.providers SET strategy = 'single';

-- Regions: a key without one serves all, and a pick without one asks for none.
SELECT add_key('openai', pg_temp.key('inEU'), user_id => 'u7', region => 'eu'),
       add_key('openai', pg_temp.key('inUS'), user_id => 'u7', region => 'us');
SELECT region, right(pick_key('openai', 'u7', region => region), 4)
FROM unnest(ARRAY['eu', 'us', NULL]) AS region;
SELECT key_id, eligible, reason FROM explain_pick('openai', 'u7', region => 'us')
WHERE key_source = 'user' ORDER BY key_id;
SELECT right(secret, 4) FROM acquire_key('openai', 'u7', region => 'us');
-- Nobody there: the system's key, which is bound to no region.
SELECT right(pick_key('openai', 'u7', region => 'ap'), 4);
UPDATE keypool.api_keys SET region = 'us' WHERE key_source = 'system';
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u7', region => 'ap') $$);
UPDATE keypool.api_keys SET region = NULL WHERE key_source = 'system';

-- A model that the provider refuses to a key is skipped for this key alone, even before its first
-- pick.
SELECT add_key('openai', pg_temp.key('bloc'), user_id => 'u8') AS blocked,
       add_key('openai', pg_temp.key('next'), user_id => 'u8') AS next \gset
SELECT mark_key_error(:blocked, 'model_not_found', 404, model => 'gpt-9');
SELECT pg_temp.picks(2, 'openai', 'u8', NULL, 'gpt-9'),
       pg_temp.picks(2, 'openai', 'u8', NULL, 'gpt-4'),
       pg_temp.picks(2, 'openai', 'u8');
SELECT key_id = :blocked AS blocked, eligible, pg_temp.timeless(reason)
FROM explain_pick('openai', 'u8', model => 'gpt-9') WHERE key_source = 'user' ORDER BY key_id;
SELECT mark_key_error(:next, 'model_not_found', 404, model => 'gpt-9');
-- Somebody else's turn, then nobody's.
SELECT pg_temp.picks(1, 'openai', 'u8', NULL, 'gpt-9');
UPDATE keypool.api_keys SET enabled = false WHERE key_source = 'system';
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u8', NULL, 'gpt-9') $$);
UPDATE keypool.api_keys SET enabled = true WHERE key_source = 'system';
-- More models than a key remembers: the newest are the ones.
SELECT mark_key_error(:blocked, 'model_not_found', 404, model => 'gpt-' || n)
FROM generate_series(20, 25) AS n;
SELECT pg_temp.picks(1, 'openai', 'u8', NULL, 'gpt-25'), pg_temp.picks(1, 'openai', 'u8');
-- Blocks stay when the key is edited, and go with its secret.
UPDATE keypool.api_keys SET weight = 3 WHERE id = :blocked;
SELECT pg_temp.picks(1, 'openai', 'u8', NULL, 'gpt-25');
SELECT rotate_key(:blocked, pg_temp.key('newb'));
SELECT pg_temp.picks(1, 'openai', 'u8', NULL, 'gpt-25');
