-- Every error code that a caller of this extension may have to handle, and what comes with it.
SELECT plan(30);

CREATE EXTENSION pg_keypool;

-- Detail and hint of what a statement fails with.
CREATE FUNCTION advice(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN detail || ' / ' || hint;
END $$;

SELECT throws_ok($$ SELECT pick_key('openai') $$, 'KP001',
  'no key available for provider "openai"', 'KP001: no key at all');
SELECT matches(advice($$ SELECT pick_key('openai') $$), 'There is no key .* / .*add_key',
  'its hint is how to add one');
SELECT add_key('openai', 'sk-pgtap-errors-key-000000001', requests_per_minute => 1) AS limited \gset
SELECT lives_ok($$ SELECT pick_key('openai') $$, 'a key that may be used once a minute is used');
SELECT throws_ok($$ SELECT pick_key('openai') $$, 'KP001', NULL, 'KP001: every key is out');
SELECT matches(advice($$ SELECT pick_key('openai') $$),
  '1 candidate: 1 .*minute.* / The earliest is free',
  'the detail counts them by reason, the hint says when to come back');

SELECT throws_ok($$ SELECT add_key('openai', 'not-a-key-at-all-xyzzy') $$, 'KP003', NULL,
  'KP003: a key of another shape');
SELECT ok(
  advice($$ SELECT add_key('openai', 'not-a-key-at-all-xyzzy') $$) LIKE 'Expected is a match%'
  AND advice($$ SELECT add_key('openai', 'not-a-key-at-all-xyzzy') $$) NOT LIKE '%xyzzy%',
  'the detail says what was expected, and not what came');

SELECT add_key('anthropic', 'sk-ant-pgtap-errors-000000001', 'one') AS one,
       add_key('anthropic', 'sk-ant-pgtap-errors-000000002', 'two', user_id => 'u') AS two \gset
ALTER TABLE keypool.api_keys DISABLE TRIGGER guard_api_key;
UPDATE keypool.api_keys SET envelope = set_byte(envelope, octet_length(envelope) - 1,
  get_byte(envelope, octet_length(envelope) - 1) # 1) WHERE id = :one;
SELECT throws_ok($$ SELECT pick_key('anthropic') $$, 'KP004', NULL,
  'KP004: a damaged ciphertext');
SELECT throws_like($$ SELECT pick_key('anthropic') $$, '%key ' || :one || '%', 'it names the key');
UPDATE keypool.api_keys k SET envelope = (SELECT envelope FROM keypool.api_keys WHERE id = :two)
WHERE id = :one;
SELECT throws_ok($$ SELECT pick_key('anthropic') $$, 'KP004', NULL,
  'KP004: the ciphertext of another row');
SELECT is(pick_key('anthropic', user_id => 'u'), 'sk-ant-pgtap-errors-000000002',
  'the row it came from is as good as ever');
ALTER TABLE keypool.api_keys ENABLE TRIGGER guard_api_key;

SELECT throws_ok($$ SELECT pick_key('opneai') $$, 'KP006', NULL, 'KP006: no such provider');
SELECT matches(advice($$ SELECT pick_key('opneai') $$), 'openai', 'near names are listed');

ALTER SYSTEM SET keypool.worker = off;
SELECT pg_reload_conf(), pg_sleep(1);
SELECT throws_ok('SELECT * FROM check_key(' || :limited || ')', 'KP007', NULL,
  'KP007: a live check without a worker');
SELECT matches(advice('SELECT * FROM check_keys()'), 'worker', 'the hint says how to see why');
ALTER SYSTEM RESET keypool.worker;
SELECT pg_reload_conf();

SELECT lease_id AS lease FROM acquire_key('anthropic', user_id => 'u') \gset
SELECT lives_ok('SELECT release_key(' || :lease || ')', 'a lease is given back');
SELECT throws_ok('SELECT release_key(' || :lease || ')', 'KP008', NULL, 'KP008: it is over');
SELECT throws_ok('SELECT release_key(-1)', 'KP008', NULL, 'KP008: it never was');

SELECT throws_ok($$ SELECT * FROM acquire_key('anthropic', strategy => 'best') $$, '22023', NULL,
  '22023: no such strategy');
SELECT throws_ok($$ SELECT * FROM acquire_key('anthropic', estimated_tokens => -1) $$, '22023',
  NULL,
  '22023: fewer than no tokens');
SELECT throws_ok($$ SELECT import_keys('[]') $$, '22023', NULL, '22023: no import document');
SELECT throws_ok($$ SELECT log_request('openai', 'gpt-4', 'u', is_anonymous => true) $$, '22023',
  NULL, '22023: an anonymous request of a user');
SELECT throws_ok($$ SELECT log_requests('[{"provider": "openai", "model": "m", "tokens": 1}]') $$,
  '22023', NULL, '22023: a member that log_request has no argument for');
SELECT throws_ok($$ SELECT log_request('openai', 'gpt-4',
                                       metadata => to_jsonb(repeat('x', 1048577))) $$,
  '54000', NULL, '54000: more metadata than a request may have');
SELECT throws_ok($$ SELECT pick_key(NULL) $$, '22004', NULL, '22004: NULL where a value is needed');
SELECT throws_ok($$ SELECT add_key('openai', 'sk-pgtap-errors-key-000000001') $$, '23505', NULL,
  '23505: the same secret twice for one owner');
SELECT throws_like($$ SELECT add_key('openai', 'sk-pgtap-errors-key-000000001') $$,
  '%key ' || :limited || '%', 'it names the key there is');
SELECT throws_ok($$ UPDATE keypool.api_keys SET user_id = 'thief' $$, '42501', NULL,
  '42501: a plain UPDATE of what the ciphertext is bound to');
SELECT throws_ok($$ SELECT revoke_key(999999) $$, '42704', NULL, '42704: no such key');
SELECT revoke_key(:limited);
SELECT throws_ok('SELECT rotate_key(' || :limited || ', ''sk-pgtap-errors-key-000000009'')',
  '55000', NULL, '55000: a revoked key stays revoked');
SELECT * FROM finish();
