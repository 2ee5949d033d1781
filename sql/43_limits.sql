-- Limits of keys: what providers tell through their headers tightens them, and every refusal shows
-- the figures behind it.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';
CREATE FUNCTION pg_temp.requests_left(n int, wait text = '1h') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('x-ratelimit-remaining-requests', n::text,
                            'x-ratelimit-reset-requests', wait)
$$;
CREATE FUNCTION pg_temp.tokens_left(n int, wait text = '1h') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('X-RateLimit-Remaining-Tokens', n, 'x-ratelimit-reset-tokens', wait)
$$;
-- How many of five picks are given.
CREATE FUNCTION pg_temp.given(user_id text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  taken int := 0;
BEGIN
  FOR i IN 1 .. 5 LOOP
    PERFORM pick_key('openai', user_id);
    taken := taken + 1;
  END LOOP;
  RETURN taken;
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  RETURN taken;
END $$;

-- Requests: each pick counts down, through whichever function it was told.
SELECT add_key('openai', pg_temp.key('suc1'), user_id => 'u1') AS id \gset
SELECT mark_key_success(:id, headers => pg_temp.requests_left(3));
SELECT pg_temp.given('u1');
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
SELECT eligible, pg_temp.timeless(reason) FROM explain_pick('openai', 'u1');
SELECT state, available, reason, cooldown_until FROM keypool.api_keys_overview WHERE key_id = :id;
-- A larger rest, an earlier reset and a limit loosen nothing, and neither does a change of the key.
SELECT mark_key_success(:id, headers => pg_temp.requests_left(1000)),
       mark_key_success(:id, headers => pg_temp.requests_left(1000, '1s')),
       mark_key_success(:id, headers => '{"x-ratelimit-limit-requests": "1000000"}');
UPDATE keypool.api_keys SET weight = 2, rate_limit = 100000 WHERE id = :id;
SELECT pg_temp.given('u1');
-- It was told of the secret: a new one is asked anew.
SELECT rotate_key(:id, pg_temp.key('suc2'));
SELECT pg_temp.given('u1');

SELECT add_key('openai', pg_temp.key('err1'), user_id => 'u2') AS id \gset
SELECT mark_key_error(:id, 'invalid_request_error', 400, headers => pg_temp.requests_left(4));
SELECT pg_temp.given('u2');
-- A reset that comes soon frees the key.
SELECT add_key('openai', pg_temp.key('soon'), user_id => 'u3') AS id \gset
SELECT mark_key_success(:id, headers => pg_temp.requests_left(2, '1s')),
       mark_key_success(:id, headers => pg_temp.requests_left(3, '300ms'));
SELECT pg_temp.given('u3'), pg_sleep(2.2);
SELECT pg_temp.given('u3');
-- What is used up for one model alone is left for the others.
SELECT add_key('openai', pg_temp.key('modl'), user_id => 'u4') AS id \gset
SELECT mark_key_error(:id, NULL, 429, headers => pg_temp.requests_left(0),
                      message => '{"error": {"message": "Rate limit reached for gpt-4 in organization o on requests per min", "code": "rate_limit_exceeded"}}',
                      model => 'gpt-4');
SELECT pg_temp.given('u4');
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u4', model => 'gpt-4') $$);
-- What says nothing, and what is absurd.
SELECT add_key('openai', pg_temp.key('none'), user_id => 'u5') AS id \gset
SELECT mark_key_success(:id, headers => '{"x-ratelimit-remaining-requests": "0"}'),
       mark_key_success(:id, headers => pg_temp.requests_left(0, '-1s')),
       mark_key_success(:id, headers => pg_temp.requests_left(-7)),
       mark_key_success(:id, headers => '{"x-ratelimit-remaining-requests": "many",
                                          "x-ratelimit-reset-requests": "1h"}');
SELECT pg_temp.given('u5');
SELECT mark_key_success(:id, headers => pg_temp.requests_left(0, '99999999h'));
SELECT substring(reason FROM '\d{4}-.*')::timestamptz - now() BETWEEN '23:59' AND '24:01'
FROM explain_pick('openai', 'u5');

-- log_request: at COMMIT, with what was logged itself taken for told.
SELECT add_key('openai', pg_temp.key('logs'), user_id => 'u6') AS id \gset
BEGIN;
SELECT log_request('openai', 'gpt-4', api_key_id => :id, headers => pg_temp.requests_left(0)) > 0;
SELECT pg_temp.given('u6');
ROLLBACK;
SELECT pg_temp.given('u6');
BEGIN;
SAVEPOINT undone;
SELECT log_request('openai', 'gpt-4', api_key_id => :id, headers => pg_temp.requests_left(0)) > 0;
ROLLBACK TO undone;
SELECT log_request('openai', 'gpt-4', api_key_id => :id, headers => pg_temp.requests_left(4)) > 0;
SAVEPOINT kept;
SELECT log_request('openai', 'gpt-4', api_key_id => :id, headers => pg_temp.requests_left(3)) > 0;
RELEASE kept;
COMMIT;
SELECT pg_temp.given('u6');
SELECT add_key('openai', pg_temp.key('many'), user_id => 'u7') AS id \gset
SELECT log_requests(jsonb_build_array(
  jsonb_build_object('provider', 'openai', 'model', 'gpt-4', 'api_key_id', :id,
                     'headers', pg_temp.requests_left(2)),
  jsonb_build_object('provider', 'openai', 'model', 'gpt-4', 'api_key_id', :id,
                     'headers', NULL)));
SELECT pg_temp.given('u7');
-- Of a failure, the headers say until when.
SELECT add_key('openai', pg_temp.key('fail'), user_id => 'u8') AS id \gset
SELECT log_request('openai', 'gpt-4', api_key_id => :id, http_status => 429,
                   headers => '{"retry-after": "7200"}') > 0;
SELECT state, round(extract(epoch FROM cooldown_until - now()) / 60)
FROM keypool.api_keys_overview WHERE key_id = :id;
-- Also where the log has a trigger of somebody's own, and rows go through SQL.
CREATE FUNCTION pg_temp.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER own BEFORE INSERT ON keypool.chat_completion_requests
  FOR EACH ROW EXECUTE FUNCTION pg_temp.pass();
SELECT add_key('openai', pg_temp.key('trig'), user_id => 'u11') AS id \gset
SELECT log_request('openai', 'gpt-4', api_key_id => :id, input_tokens => 5,
                   headers => pg_temp.requests_left(2)) > 0;
SELECT pg_temp.given('u11');
SELECT requests, errors, tokens FROM keypool.api_keys_overview WHERE key_id = :id;
DROP TRIGGER own ON keypool.chat_completion_requests;
SELECT pg_temp.failure($$ SELECT log_request('openai', 'gpt-4', headers => '[1]') $$);
SELECT pg_temp.failure($$ SELECT log_requests('[{"provider": "openai", "model": "m",
                                                 "headers": "x"}]') $$);

-- Tokens: what is reserved counts, and what is logged beyond it.
SELECT add_key('openai', pg_temp.key('toks'), user_id => 'u9') AS id \gset
SELECT mark_key_success(:id, headers => pg_temp.tokens_left(1000));
SELECT lease_id FROM acquire_key('openai', 'u9', estimated_tokens => 600) \gset
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u9', estimated_tokens => 600) $$);
SELECT eligible, pg_temp.timeless(reason) FROM explain_pick('openai', 'u9', estimated_tokens => 600);
-- 100 more than were reserved, 250 without a lease, and the rest.
SELECT log_request('openai', 'gpt-4', lease_id => :lease_id, input_tokens => 700) > 0,
       log_request('openai', 'gpt-4', api_key_id => :id, output_tokens => 250) > 0;
SELECT key_id = :id FROM acquire_key('openai', 'u9', estimated_tokens => 50);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u9') $$);
-- An answer's own tokens are in what its headers say is left.
SELECT add_key('openai', pg_temp.key('own1'), user_id => 'u10') AS id \gset
SELECT log_request('openai', 'gpt-4', api_key_id => :id, input_tokens => 5000,
                   headers => pg_temp.tokens_left(1)) > 0;
SELECT pg_temp.given('u10');

-- usage_based takes the provider's word for one more limit.
SELECT add_key('groq', 'gsk_' || repeat('k', 48) || 'gro1') AS one,
       add_key('groq', 'gsk_' || repeat('k', 48) || 'gro2') AS other \gset
SELECT mark_key_success(:one, headers => '{"x-ratelimit-limit-requests": "100",
  "x-ratelimit-remaining-requests": "60", "x-ratelimit-reset-requests": "1h"}'),
       mark_key_success(:other, headers => '{"x-ratelimit-limit-tokens": "1000",
  "x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "1h"}');
SELECT key_id = :other AS other_first, score FROM explain_pick('groq', strategy => 'usage_based');

-- Several keys: each reason once, with the figures of the one that frees itself first.
SELECT count(add_key('mistral', repeat('k', 31) || n, user_id => 'm', requests_per_minute => n,
                     name => 'k' || n)) FROM generate_series(1, 3) AS n;
SELECT add_key('mistral', repeat('k', 31) || 'x', user_id => 'm', daily_cost_limit => 2.5) AS cost,
       add_key('mistral', repeat('k', 31) || 'y', user_id => 'm') AS ill \gset
SELECT mark_key_error(:ill, 'invalid_api_key', 401);
SELECT count(pick_key('mistral', 'm')) FROM generate_series(1, 6);
SELECT key_id = :cost FROM acquire_key('mistral', 'm', estimated_cost => 0.5);
SELECT log_request('mistral', 'm', api_key_id => :cost, cost_usd => 1.999999) > 0;
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('mistral', 'm', estimated_cost => 0.6) $$);
SELECT key_name, pg_temp.timeless(reason)
FROM explain_pick('mistral', 'm', estimated_cost => 0.6) ORDER BY key_id;
