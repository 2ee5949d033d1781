-- What a failure means for its key: the rows of the contract's table one after the other, through
-- mark_key_error, and the way back.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';

-- Fresh keys, one a case, and enough others that a few failures are no outage.
SELECT count(add_key('openai', pg_temp.key(to_char(n, 'FM0000')))) FROM generate_series(1, 40) AS n;
SELECT count(add_key('anthropic', 'sk-ant-api03-' || repeat('k', 24) || to_char(n, 'FM0000')))
FROM generate_series(1, 10) AS n;
SELECT count(add_key('gemini', 'AIza' || repeat('k', 31) || to_char(n, 'FM0000')))
FROM generate_series(1, 10) AS n;

-- Reports a failure of the next unused key: the class, the key's state, for how many seconds it
-- cools, whether it was blamed, and what is remembered of it.
CREATE TEMP TABLE used (key_id bigint, n int GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION pg_temp.report(
  error_type text, http_status int = NULL, message text = NULL, retry_after interval = NULL,
  headers jsonb = NULL, model text = NULL, provider text = 'openai')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  class text;
  state text;
BEGIN
  SELECT min(k.key_id) INTO id FROM keypool.api_keys_overview k
  WHERE k.provider = $7 AND k.key_id NOT IN (SELECT u.key_id FROM used u);
  INSERT INTO used VALUES (id);
  class := mark_key_error(id, error_type, http_status, retry_after, headers, message, model);
  SELECT concat_ws(', ', k.state,
                   round(extract(epoch FROM k.cooldown_until - clock_timestamp())) || ' s',
                   CASE k.errors WHEN 1 THEN 'blamed' END, k.last_error)
  INTO state FROM keypool.api_keys_overview k WHERE k.key_id = id;
  RETURN class || ': ' || state;
END $$;

-- caller_fault: the request was wrong, not the key.
SELECT pg_temp.report('invalid_request_error', 400, 'you must provide a model parameter');
SELECT pg_temp.report('', 400);
SELECT pg_temp.report('', 404, 'Invalid URL (POST /v1/chat/completion)');
SELECT pg_temp.report('', status) FROM unnest(ARRAY[409, 413, 415, 422]) AS status;
SELECT pg_temp.report('context_length_exceeded', 400);
-- credential: out until a check or a rotation.
SELECT pg_temp.report('', 401);
SELECT pg_temp.report('invalid_api_key', 401);
SELECT pg_temp.report('invalid_api_key');
SELECT pg_temp.report('authentication_error', 401, provider => 'anthropic');
SELECT pg_temp.report('permission_error', 403, provider => 'anthropic');
SELECT pg_temp.report('', 400, '{"error":{"code":400,"message":"API key not valid.",
  "status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
  "reason":"API_KEY_INVALID"}]}}', provider => 'gemini');
-- quota: whatever the status says.
SELECT pg_temp.report('', 402);
SELECT pg_temp.report('insufficient_quota', 429);
SELECT pg_temp.report('', 429, '{"error":{"message":"You exceeded your current quota",
  "type":"insufficient_quota","param":null,"code":"insufficient_quota"}}');
SELECT pg_temp.report('billing_hard_limit_reached', 400);
SELECT pg_temp.report('invalid_request_error', 400,
                      'Your credit balance is too low to access the Anthropic API.',
                      provider => 'anthropic');
SELECT pg_temp.report('', 402, 'Insufficient Balance');
-- rate_limit: until the deadline that the provider gave, in whatever form.
SELECT pg_temp.report('rate_limit_error', 429, retry_after => '90 s');
SELECT pg_temp.report('', 429, headers => '{"Retry-After": "20"}');
SELECT pg_temp.report('', 429, headers => '{"retry-after": 20, "retry-after-ms": "3000"}');
SELECT pg_temp.report('', 429, headers => '{"x-ratelimit-remaining-requests": "0",
  "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-tokens": "5000",
  "x-ratelimit-reset-tokens": "12ms"}');
SELECT pg_temp.report('', 429, headers => jsonb_build_object(
  'anthropic-ratelimit-requests-remaining', '0', 'anthropic-ratelimit-requests-reset',
  to_char(clock_timestamp() AT TIME ZONE 'UTC' + '120 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
  provider => 'anthropic');
SELECT pg_temp.report('', 429, '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
  {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}',
                      provider => 'gemini');
-- What the caller read goes before what it passed on.
SELECT pg_temp.report('', 429, retry_after => '1 h', headers => '{"Retry-After": "20"}');
-- Without a deadline: a second, with up to a quarter more.
SELECT pg_temp.report('rate_limit_exceeded', 429);
-- A day is the longest that is believed, and a deadline that is over is none.
SELECT pg_temp.report('', 429, retry_after => '100 years');
SELECT pg_temp.report('', 429, retry_after => '-5 s');
-- overloaded: the provider rests for a moment, no key is blamed.
SELECT pg_temp.report('overloaded_error', 529, provider => 'anthropic');
SELECT pg_temp.failure($$ SELECT pick_key('anthropic') $$);
SELECT DISTINCT pg_temp.timeless(reason) FROM explain_pick('anthropic');
SELECT backoff_until BETWEEN now() AND now() + '2 s', outage
FROM keypool.provider_statistics WHERE provider = 'anthropic';
SELECT pg_sleep(1.4);
SELECT pick_key('anthropic') <> '';
SELECT pg_temp.report('', 503, headers => '{"Retry-After": "600"}', provider => 'gemini');
-- However long it asks for, it is asked again soon.
SELECT backoff_until BETWEEN now() + '25 s' AND now() + '30 s'
FROM keypool.provider_statistics WHERE provider = 'gemini';
-- transient: three in a row cool the key, a success between them starts anew.
SELECT pg_temp.report('', status) FROM unnest(ARRAY[408, 500, 502, 503, 504]) AS status;
SELECT pg_temp.report('timeout'), pg_temp.report('connection_error');
SELECT min(key_id) AS id FROM keypool.api_keys_overview
WHERE provider = 'openai' AND key_id NOT IN (SELECT key_id FROM used) \gset
INSERT INTO used VALUES (:id);
SELECT mark_key_error(:id, '', 500), mark_key_error(:id, '', 500), mark_key_success(:id),
       mark_key_error(:id, '', 500), mark_key_error(:id, '', 500);
SELECT state, errors, requests, failure_streak FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT mark_key_error(:id, '', 500);
SELECT state, failure_class, errors, cooldown_until BETWEEN now() AND now() + '1.25 s'
FROM keypool.api_keys_overview WHERE key_id = :id;
-- model_access: for that model only.
SELECT pg_temp.report('model_not_found', 404, 'The model `gpt-9` does not exist', model => 'gpt-9');
SELECT key_id AS id FROM used ORDER BY n DESC LIMIT 1 \gset
SELECT eligible, pg_temp.timeless(reason) FROM explain_pick('openai', model => 'gpt-9')
WHERE key_id = :id;
SELECT eligible FROM explain_pick('openai', model => 'gpt-4') WHERE key_id = :id;
SELECT eligible FROM explain_pick('openai') WHERE key_id = :id;
-- region_blocked.
SELECT pg_temp.report('unsupported_country_region_territory', 403);
-- unknown: counted, no effect.
SELECT pg_temp.report('what is this', 418);
SELECT pg_temp.report('');
-- What is remembered of an answer is scrubbed.
SELECT pg_temp.report(pg_temp.key('echo'), 401,
                      'Incorrect API key provided: ' || pg_temp.key('echo')) ~ 'kkkk';

-- A whole provider out of order: most keys fail, none is blamed for it, and it rests.
SELECT count(add_key('groq', 'gsk_' || repeat('k', 20) || n)) FROM generate_series(1, 3) AS n;
SELECT array_agg(key_id ORDER BY key_id) AS groq FROM keypool.api_keys_overview
WHERE provider = 'groq' \gset
SELECT mark_key_error(key_id, 'connection_error') FROM unnest(:'groq'::bigint[]) AS key_id;
SELECT mark_key_error(key_id, 'connection_error') FROM unnest(:'groq'::bigint[]) AS key_id;
SELECT state, errors <= 2 FROM keypool.api_keys_overview WHERE provider = 'groq' ORDER BY key_id;
SELECT outage FROM keypool.provider_statistics WHERE provider = 'groq';
SELECT pg_temp.failure($$ SELECT pick_key('groq') $$);

-- Half open: after the deadline one probe at a time, then a ramp of 2, 4 and 8.
SELECT add_key('xai', 'xai-' || repeat('k', 20)) AS id \gset
SELECT pick_key('xai') <> '';
SELECT mark_key_error(:id, 'rate_limit_error', 429, '1 s');
SELECT pg_temp.failure($$ SELECT pick_key('xai') $$);
SELECT state FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_sleep(1.1);
SELECT pick_key('xai') <> '';
SELECT state FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT pick_key('xai') $$);
SELECT mark_key_success(:id);
SELECT count(pick_key('xai')) FROM generate_series(1, 2);
SELECT pg_temp.failure($$ SELECT pick_key('xai') $$);
SELECT mark_key_success(:id);
SELECT count(pick_key('xai')) FROM generate_series(1, 4);
SELECT mark_key_success(:id);
SELECT count(pick_key('xai')) FROM generate_series(1, 8);
SELECT mark_key_success(:id);
SELECT state, failure_class, cooldown_until FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT count(pick_key('xai')) FROM generate_series(1, 100);
-- A probe that fails: out again, for longer.
SELECT mark_key_error(:id, 'rate_limit_error', 429, '0.1 s');
SELECT pg_sleep(0.15);
SELECT pick_key('xai') <> '', mark_key_error(:id, 'rate_limit_error', 429);
SELECT state, cooldown_until - now() BETWEEN '1.5 s' AND '2.5 s' AS twice_as_long
FROM keypool.api_keys_overview WHERE key_id = :id;
-- A deadline never moves back: not by a shorter one, not by a success, not by a change of the key.
SELECT mark_key_error(:id, 'rate_limit_error', 429, '1 h');
SELECT mark_key_error(:id, 'rate_limit_error', 429, '1 s'), mark_key_success(:id);
UPDATE keypool.api_keys SET weight = 2, enabled = false WHERE id = :id;
UPDATE keypool.api_keys SET enabled = true WHERE id = :id;
SELECT state, cooldown_until - now() > '59 min' FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT pick_key('xai') $$);
-- An unhealthy key stays out, whatever it succeeds at; a new secret starts anew.
SELECT mark_key_error(:id, 'invalid_api_key', 401), mark_key_success(:id);
SELECT state FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.failure($$ SELECT pick_key('xai') $$);
SELECT rotate_key(:id, 'xai-' || repeat('k', 20) || 'new');
SELECT right(pick_key('xai'), 3);
SELECT state, cooldown_until, failure_class FROM keypool.api_keys_overview WHERE key_id = :id;

-- Headers of a success: nothing left is believed, and blames nobody.
SELECT mark_key_success(:id, 120, '{"x-ratelimit-remaining-requests": "0",
                                    "x-ratelimit-reset-requests": "1m30s"}');
SELECT state, available, reason, errors FROM keypool.api_keys_overview WHERE key_id = :id;
SELECT pg_temp.timeless(reason) FROM explain_pick('xai');
SELECT add_key('mistral', repeat('k', 32)) AS id \gset
-- Azure's way to say unknown, and a remaining count above zero, free and hold nothing.
SELECT mark_key_success(:id, 1, '{"x-ratelimit-limit-requests": "-1",
                                  "x-ratelimit-remaining-requests": "-1",
                                  "x-ratelimit-reset-requests": "0"}'),
       mark_key_success(:id, 1, '{"x-ratelimit-remaining-tokens": ["7"],
                                  "x-ratelimit-reset-tokens": "1h"}');
SELECT state FROM keypool.api_keys_overview WHERE key_id = :id;

-- When a user's keys cool, the next owner's serve; when all do, the hint names the first to return.
SELECT add_key('cohere', repeat('k', 39) || 'u', user_id => 'u1') AS of_user,
       add_key('cohere', repeat('k', 39) || 'o', organization_id => 'o1') AS of_organization,
       add_key('cohere', repeat('k', 39) || 's') AS of_system \gset
SELECT right(pick_key('cohere', 'u1', 'o1'), 1);
SELECT mark_key_error(:of_user, 'rate_limit', 429, '3 h');
SELECT right(pick_key('cohere', 'u1', 'o1'), 1);
SELECT mark_key_error(:of_organization, 'rate_limit', 429, '1 h');
SELECT right(pick_key('cohere', 'u1', 'o1'), 1);
SELECT mark_key_error(:of_system, 'rate_limit', 429, '2 h');
SELECT pg_temp.failure($$ SELECT pick_key('cohere', 'u1', 'o1') $$);
DO $$
DECLARE
  hint text;
  earliest timestamptz;
BEGIN
  SELECT min(cooldown_until) INTO earliest FROM keypool.api_keys_overview WHERE provider = 'cohere';
  PERFORM pick_key('cohere', 'u1', 'o1');
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RAISE NOTICE 'it is the earliest: %',
    substring(hint FROM '\d{4}-\d\d-\d\d [^,]+')::timestamptz
      BETWEEN earliest AND earliest + '1 s';
END $$;

-- What cannot be reported.
SELECT pg_temp.failure($$ SELECT mark_key_error(4711, 'rate_limit') $$);
SELECT pg_temp.failure($$ SELECT mark_key_success(4711) $$);
SELECT pg_temp.failure($$ SELECT mark_key_error(NULL, 'rate_limit') $$);
SELECT pg_temp.failure($$ SELECT mark_key_error(1, 'x', headers => '[1]') $$);
SELECT pg_temp.failure($$ SELECT mark_key_error(1, 'x', http_status => 70000) $$);
SELECT pg_temp.failure($$ SELECT mark_key_error(1, 'x', http_status => -1) $$);
SELECT pg_temp.failure($$ SELECT mark_key_success(1, -1) $$);
-- A key that was revoked meanwhile is nobody's mistake.
SELECT revoke_key(:id);
SELECT mark_key_error(:id, 'rate_limit', 429), mark_key_success(:id);
