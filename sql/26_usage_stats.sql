-- get_usage_stats and the counters behind it.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';

-- The document with its moments cut to whether there is one.
CREATE FUNCTION pg_temp.stats(provider text) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_pretty(regexp_replace(get_usage_stats(provider)::text,
                                     '"last_used": "[^"]*"', '"last_used": "<moment>"', 'g')::jsonb)
$$;
SELECT pg_temp.stats('openai');
SELECT add_key('openai', pg_temp.key('aaaa')) AS a,
       add_key('openai', pg_temp.key('bbbb')) AS b \gset
SELECT pg_temp.stats('openai');
-- Requests are what was picked or, where more is known, reported; errors are those the key is
-- blamed for.
SELECT count(pick_key('openai')) FROM generate_series(1, 8);
SELECT mark_key_success(:a, 100), mark_key_success(:a, 200),
       mark_key_error(:a, 'invalid_request_error', 400),
       mark_key_error(:a, '', 500), mark_key_error(:a, 'rate_limit', 429, '1 h');
SELECT count(mark_key_success(:b)) FROM generate_series(1, 3);
SELECT pg_temp.stats('OpenAI');
SELECT (get_usage_stats('openai')#>>'{key_usage,sk-proj-…aaaa,last_used}')::timestamptz
       BETWEEN now() - interval '1 min' AND clock_timestamp();
-- By any name; an unknown one is an error as everywhere.
SELECT get_usage_stats('claude');
SELECT pg_temp.failure($$ SELECT get_usage_stats('opnai') $$);
SELECT get_usage_stats(NULL) IS NULL;
-- Keys that look alike are told apart. A user's is listed once it was used, and counts always.
SELECT add_key('openai', 'sk-proj-' || repeat('m', 24) || 'aaaa') AS alike,
       add_key('openai', pg_temp.key('user'), user_id => 'u1') AS of_user,
       add_key('openai', pg_temp.key('orga'), organization_id => 'o1') AS of_organization \gset
SELECT get_usage_stats('openai')->'total_keys',
       jsonb_object_keys(get_usage_stats('openai')->'key_usage');
SELECT count(pick_key('openai', 'u1')) FROM generate_series(1, 2);
SELECT get_usage_stats('openai')#>>'{key_usage,sk-proj-…user,requests}';
-- A revoked key is no key.
SELECT revoke_key(:alike);
SELECT get_usage_stats('openai')->'total_keys',
       jsonb_object_keys(get_usage_stats('openai')->'key_usage');
-- Not a word of a secret.
SELECT get_usage_stats('openai')::text ~ 'kkkk';

-- The same numbers in the views.
\pset tuples_only off
SELECT hint, key_source, state, picks, requests, errors, error_rate, in_flight
FROM keypool.api_keys_overview ORDER BY key_id;
SELECT provider, total_keys, healthy_keys, cooling_keys, requests, errors, picks, error_rate,
       latency_p50_ms BETWEEN 80 AND 250 AS p50, latency_p95_ms BETWEEN 160 AND 250 AS p95
FROM keypool.provider_statistics;
\pset tuples_only on
-- A change of a key loses none of its history, a rotation neither.
UPDATE keypool.api_keys SET name = 'renamed' WHERE id = :a;
SELECT rotate_key(:a, pg_temp.key('newa'));
SELECT name, hint, state, picks, requests, errors FROM keypool.api_keys_overview WHERE key_id = :a;
