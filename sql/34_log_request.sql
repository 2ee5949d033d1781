-- log_request and log_requests: what a row says, what is derived, refused, counted; and that every
-- way into the log counts alike.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set VERBOSITY terse
CREATE VIEW pg_temp.log AS SELECT * FROM keypool.chat_completion_requests;
-- The last row logged, as JSON without what differs from run to run and what is not set.
CREATE FUNCTION pg_temp.last_row(VARIADIC columns text[] = '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_object_agg(key, value)
  FROM (SELECT l.* FROM pg_temp.log l ORDER BY id DESC LIMIT 1) AS l, jsonb_each(to_jsonb(l))
  WHERE CASE columns WHEN '{}' THEN key NOT IN ('id', 'xid', 'created_at', 'attempt')
                                    AND value NOT IN ('null', '0')
                     ELSE key = ANY (columns) END
$$;
-- What shared memory counts of a key.
CREATE FUNCTION pg_temp.counts(id bigint) RETURNS text LANGUAGE sql AS $$
  SELECT format('%s requests, %s errors, %s tokens, $%s, %s in flight', requests, errors, tokens,
                cost_total, in_flight)
  FROM keypool.api_keys_overview WHERE key_id = id
$$;

-- Before any key is stored: the request waits for its key under a fingerprint.
SELECT log_request('openai', 'gpt-4', user_id => 'u0', api_key => pg_temp.key('late')) > 0;
SELECT pg_temp.last_row('user_id', 'api_key_id', 'key_source', 'is_anonymous', 'lookup_status'),
       octet_length(api_key_fingerprint) FROM pg_temp.log;
SELECT api_key_fingerprint AS fingerprint FROM pg_temp.log \gset
SELECT add_key('openai', pg_temp.key('late')) AS late \gset
SELECT fingerprint = :'fingerprint' FROM keypool.api_keys WHERE id = :late;

-- Everything there is to say of a request.
SELECT add_key('openai', pg_temp.key('syst')) AS system \gset
SELECT add_key('openai', pg_temp.key('user'), user_id => 'u1') AS users \gset
SELECT add_key('openai', pg_temp.key('orga'), organization_id => 'o1') AS organizations \gset
SELECT log_request('OpenAI', 'gpt-4', 'u1', 'o9', :system, NULL, NULL, 1000, 200, 300, 0.0123, 840,
                   'failed', 429, 'rate_limit_error', 'slow down', 'r-1', 's-1', 't-1', false,
                   '2020-02-02 20:20+00', '{"team": "blue"}', 2) AS id \gset
SELECT pg_temp.last_row() - 'api_key_id',
       (SELECT id = :id AND api_key_id = :system AND attempt = 2
               AND created_at = '2020-02-02 20:20+00' AND xid < pg_current_xact_id()
        FROM pg_temp.log ORDER BY id DESC LIMIT 1);
-- The least: an anonymous one.
SELECT log_request('claude', 'claude-3') > :id;
SELECT pg_temp.last_row();
BEGIN;
SELECT log_request('openai', 'gpt-4', created_at => NULL, input_tokens => NULL, status => NULL,
                   attempt => NULL) > 0;
SELECT created_at = now(), input_tokens, status, attempt FROM pg_temp.log ORDER BY id DESC LIMIT 1;
ROLLBACK;

-- Whose key: by id, by secret, by lease. Who owns the key is named unless somebody else is.
SELECT log_request('openai', 'gpt-4', api_key_id => :users) > 0;
SELECT pg_temp.last_row('user_id', 'key_source', 'is_anonymous');
SELECT log_request('openai', 'gpt-4', api_key_id => :organizations) > 0;
SELECT pg_temp.last_row('user_id', 'organization_id', 'key_source', 'is_anonymous');
SELECT log_request('openai', 'gpt-4', 'u7', api_key => pg_temp.key('user')) > 0;
SELECT pg_temp.last_row('user_id', 'key_source', 'is_anonymous', 'api_key_fingerprint'),
       api_key_id = :users FROM pg_temp.log ORDER BY id DESC LIMIT 1;
SELECT lease_id AS lease FROM acquire_key('openai', 'u1') \gset
SELECT log_request('openai', 'gpt-4', lease_id => :lease) > 0;
SELECT pg_temp.last_row('user_id', 'key_source'), api_key_id = :users, lease_id = :lease
FROM pg_temp.log ORDER BY id DESC LIMIT 1;
-- A lease that is over still tells its key.
SELECT log_request('openai', 'gpt-4', lease_id => :lease) > 0;
SELECT api_key_id = :users FROM pg_temp.log ORDER BY id DESC LIMIT 1;
-- A key given by id goes before the lease's, and that before the secret's.
SELECT lease_id AS lease FROM acquire_key('openai', 'u1') \gset
SELECT log_request('openai', 'gpt-4', lease_id => :lease, api_key => pg_temp.key('syst')) > 0,
       log_request('openai', 'gpt-4', lease_id => :lease, api_key_id => :organizations) > 0;
SELECT api_key_id = :users, api_key_id = :organizations FROM pg_temp.log ORDER BY id DESC LIMIT 2;
-- A revoked key, one of this very transaction, and ids and leases that nobody knows: a request that
-- was made is not lost.
SELECT revoke_key(:organizations);
SELECT log_request('openai', 'gpt-4', api_key_id => :organizations) > 0;
SELECT pg_temp.last_row('key_source', 'organization_id');
BEGIN;
SELECT add_key('openai', pg_temp.key('fres'), user_id => 'u2') AS fresh \gset
SELECT log_request('openai', 'gpt-4', api_key => pg_temp.key('fres')) > 0;
SELECT pg_temp.last_row('key_source', 'user_id'), api_key_id = :fresh FROM pg_temp.log
ORDER BY id DESC LIMIT 1;
COMMIT;
SELECT pg_temp.counts(:fresh);
SELECT log_request('openai', 'gpt-4', api_key_id => 4711) > 0;
SELECT pg_temp.last_row('key_source', 'api_key_id', 'is_anonymous');
SELECT log_request('openai', 'gpt-4', lease_id => 4711) > 0;
SELECT pg_temp.last_row('key_source', 'api_key_id', 'is_anonymous', 'lease_id');

-- Anonymous: derived, given, contradicting.
SELECT log_request('openai', 'gpt-4', is_anonymous => true) > 0;
SELECT pg_temp.last_row('is_anonymous', 'key_source');
SELECT log_request('openai', 'gpt-4', is_anonymous => false) > 0;
SELECT pg_temp.last_row('is_anonymous', 'key_source');
SELECT log_request('openai', 'gpt-4', '', '', api_key => '', session_id => 's') > 0;
SELECT pg_temp.last_row('is_anonymous', 'key_source', 'user_id', 'organization_id');
SELECT log_request('openai', 'gpt-4', 'u1') > 0;
SELECT pg_temp.last_row('is_anonymous', 'key_source');
SELECT pg_temp.failure($$ SELECT log_request('openai', 'gpt-4', 'u1', is_anonymous => true) $$);
SELECT pg_temp.failure($$ SELECT log_request('openai', 'gpt-4', api_key_id => 1, is_anonymous => true) $$);
SELECT pg_temp.failure($$ SELECT log_request('openai', 'gpt-4', api_key => 'k', is_anonymous => true) $$);
SELECT pg_temp.failure($$ SELECT log_request('openai', 'gpt-4', lease_id => 1, is_anonymous => true) $$);

-- What it cost: given, by price list, unknown. Unknown is not zero.
INSERT INTO keypool.model_prices VALUES
  ('openai', 'gpt-4', 30, 60, NULL, '-infinity', 'test'),
  ('openai', 'gpt-4', 10, 30, 2.5, '2024-01-01+00', 'test'),
  ('openai', 'gpt-free', 0, 0, NULL, '-infinity', 'test');
CREATE FUNCTION pg_temp.priced(model text, input int, output int = 0, cached int = 0,
                               cost numeric = NULL, at timestamptz = '2025-05-05+00')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  row record;
BEGIN
  PERFORM log_request('openai', model, input_tokens => input, output_tokens => output,
                      cached_tokens => cached, cost_usd => cost, created_at => at);
  SELECT * INTO row FROM pg_temp.log ORDER BY id DESC LIMIT 1;
  RETURN concat_ws(' ', row.pricing_source, row.cost_usd,
                   '= ' || row.input_cost_usd || ' + ' || row.output_cost_usd);
END $$;
SELECT pg_temp.priced('gpt-4', 1000, 100), pg_temp.priced('gpt-4', 1000, 100, 400);
SELECT pg_temp.priced('gpt-4', 1000, 100, at => '2023-12-31 23:59:59.999999+00');
SELECT pg_temp.priced('gpt-4', 1000, 100, 400, at => '2023-01-01+00');
SELECT pg_temp.priced('gpt-4', 1000, 100, at => '2024-01-01+00');
SELECT pg_temp.priced('gpt-4', 0), pg_temp.priced('gpt-free', 1000), pg_temp.priced('gpt-9', 1000);
SELECT pg_temp.priced('gpt-4', 1000, cost => 0.5), pg_temp.priced('gpt-4', 1000, cost => 0),
       pg_temp.priced('gpt-9', 1, cost => 1e-10), pg_temp.priced('gpt-9', 1, cost => 5e-10),
       pg_temp.priced('gpt-9', 1, cost => 999999.999999999);
-- More cached than input: all of it was.
SELECT pg_temp.priced('gpt-4', 100, cached => 400);
-- The formula in SQL.
SELECT bool_and(cost_usd = round((greatest(input_tokens - cached_tokens, 0) * p.input_cost
                                  + cached_tokens * coalesce(p.cached_input_cost, p.input_cost))
                                 / 1e6, 9) + round(output_tokens * p.output_cost / 1e6, 9))
FROM pg_temp.log l,
     LATERAL (SELECT * FROM keypool.model_prices p
              WHERE (p.provider, p.model) = (l.provider, l.model) AND valid_from <= created_at
              ORDER BY valid_from DESC LIMIT 1) AS p
WHERE pricing_source = 'model_prices';
-- Half a nano-dollar is rounded up, each part once.
INSERT INTO keypool.model_prices VALUES
  ('openai', 'tiny', 0.0005, 0.000499999, 0.0005, '-infinity', 'test');
SELECT pg_temp.priced('tiny', 1, 1), pg_temp.priced('tiny', 2, 2, 1);
-- A price nobody ever asked gives no cost rather than a wrong one.
INSERT INTO keypool.model_prices VALUES ('openai', 'gold', 999999, 999999);
SELECT pg_temp.priced('gold', 1000000), pg_temp.priced('gold', 2000000), pg_temp.priced('gold', 1);
-- A change of the list counts at once for whoever makes it, and is forgotten with a rollback.
BEGIN;
UPDATE keypool.model_prices SET input_cost = 1 WHERE model = 'gpt-free';
SELECT pg_temp.priced('gpt-free', 1000000);
SAVEPOINT s;
DELETE FROM keypool.model_prices WHERE model = 'gpt-free';
SELECT pg_temp.priced('gpt-free', 1000000);
ROLLBACK TO s;
SELECT pg_temp.priced('gpt-free', 1000000);
ROLLBACK;
SELECT pg_temp.priced('gpt-free', 1000000);
BEGIN;
TRUNCATE keypool.model_prices;
SELECT pg_temp.priced('gpt-4', 1000000);
ROLLBACK;
SELECT pg_temp.priced('gpt-4', 1000000);
-- estimate_cost: the same, as of now.
SELECT estimate_cost('openai', 'gpt-4', 1000, 100), estimate_cost('OpenAI', 'gpt-4', 1000, 100, 400),
       estimate_cost('openai', 'gpt-4', NULL, NULL, NULL), estimate_cost('openai', 'gpt-free', 10),
       estimate_cost('openai', 'gpt-9', 1000) IS NULL, estimate_cost('openai', '', 1) IS NULL,
       estimate_cost('openai', repeat('m', 300), 1) IS NULL;
SELECT pg_temp.failure($$ SELECT estimate_cost('openai', 'gpt-4', -1) $$);
SELECT pg_temp.failure($$ SELECT estimate_cost('opneai', 'gpt-4', 1) $$);
SELECT pg_temp.failure($$ SELECT estimate_cost(NULL, 'gpt-4', 1) $$);

-- The same request again: one row, one count.
SELECT add_key('openai', pg_temp.key('once'), user_id => 'once') AS once \gset
SELECT log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r', input_tokens => 5)
       = log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r', input_tokens => 6);
SELECT log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r')
       = log_request('openai', 'gpt-4', request_id => 'r', created_at => now() - '12 h'::interval);
SELECT pg_temp.counts(:once);
-- Another attempt is another request; so is one of long before. No name is no name.
SELECT log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r', attempt => 2)
       > log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r');
SELECT log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r',
                   created_at => '2030-01-01+00')
       = log_request('openai', 'gpt-4', api_key_id => :once, request_id => 'r',
                     created_at => '2031-01-01+00');
SELECT log_request('openai', 'gpt-4', request_id => '') < log_request('openai', 'gpt-4', request_id => '');
SELECT pg_temp.counts(:once);
-- A repeat settles nothing and warns of nothing.
SELECT lease_id AS lease FROM acquire_key('openai', 'once') \gset
SELECT log_request('openai', 'gpt-4', request_id => 'r', lease_id => :lease) > 0,
       log_request('openai', 'gpt-4', request_id => 'r', lease_id => 4711) > 0;
SELECT pg_temp.counts(:once);
SELECT release_key(:lease);
-- One that was rolled back was never logged.
BEGIN;
SELECT log_request('openai', 'gpt-4', request_id => 'gone') AS gone \gset
ROLLBACK;
SELECT log_request('openai', 'gpt-4', request_id => 'gone') > :gone;

-- Leases are settled at COMMIT: still held after a rollback, and while the transaction runs.
SELECT add_key('openai', pg_temp.key('leas'), user_id => 'lease', max_concurrency => 2) AS leased \gset
SELECT lease_id AS one FROM acquire_key('openai', 'lease', estimated_tokens => 500) \gset
SELECT lease_id AS two FROM acquire_key('openai', 'lease') \gset
BEGIN;
SELECT log_request('openai', 'gpt-4', lease_id => :one, input_tokens => 70, output_tokens => 7) > 0;
SELECT pg_temp.counts(:leased);
ROLLBACK;
SELECT pg_temp.counts(:leased);
BEGIN;
SELECT log_request('openai', 'gpt-4', lease_id => :one, input_tokens => 70, output_tokens => 7) > 0;
SAVEPOINT s;
SELECT log_request('openai', 'gpt-4', lease_id => :two, input_tokens => 1000) > 0;
ROLLBACK TO s;
COMMIT;
SELECT pg_temp.counts(:leased);
SELECT log_request('openai', 'gpt-4', lease_id => :two, http_status => 500) > 0;
SELECT pg_temp.counts(:leased);
SELECT pg_temp.failure(format('SELECT release_key(%s)', :two)) ~ '^KP008|^  It was settled';
-- A plain INSERT settles its lease too.
SELECT lease_id AS three FROM acquire_key('openai', 'lease') \gset
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, lease_id)
VALUES ('openai', 'gpt-4', :leased, :three);
SELECT pg_temp.counts(:leased);

-- Rolled back, whole or in part, a request does not count; released, it does.
SELECT add_key('openai', pg_temp.key('save'), user_id => 'save') AS saved \gset
BEGIN;
SELECT log_request('openai', 'gpt-4', api_key_id => :saved, input_tokens => 1) > 0;
SAVEPOINT a;
SELECT log_request('openai', 'gpt-4', api_key_id => :saved, input_tokens => 10) > 0;
SAVEPOINT b;
SELECT log_request('openai', 'gpt-4', api_key_id => :saved, input_tokens => 100) > 0;
RELEASE b;
ROLLBACK TO a;
SAVEPOINT c;
SELECT log_request('openai', 'gpt-4', api_key_id => :saved, input_tokens => 1000) > 0;
RELEASE c;
SELECT pg_temp.counts(:saved);
COMMIT;
SELECT pg_temp.counts(:saved);
DO $$
BEGIN
  PERFORM log_request('openai', 'gpt-4', 'save', api_key => 'sk-proj-' || repeat('k', 24) || 'save');
  RAISE EXCEPTION 'no';
EXCEPTION WHEN raise_exception THEN
  NULL;
END $$;
SELECT pg_temp.counts(:saved), count(*) FROM pg_temp.log WHERE api_key_id = :saved;
BEGIN;
SELECT log_request('openai', 'gpt-4', api_key_id => :saved) > 0;
PREPARE TRANSACTION 'logged';
SELECT pg_temp.counts(:saved);

-- However a row comes, it counts the same.
CREATE TABLE pg_temp.ways (way text, key_id bigint);
INSERT INTO pg_temp.ways
SELECT way, add_key('mistral', repeat('k', 28) || to_char(n, 'FM0000'))
FROM unnest(ARRAY['log_request', 'log_requests', 'INSERT', 'rows', 'COPY']) WITH ORDINALITY AS w (way, n);
SELECT key_id AS k1 FROM pg_temp.ways WHERE way = 'log_request' \gset
SELECT key_id AS k2 FROM pg_temp.ways WHERE way = 'log_requests' \gset
SELECT key_id AS k3 FROM pg_temp.ways WHERE way = 'INSERT' \gset
SELECT key_id AS k4 FROM pg_temp.ways WHERE way = 'rows' \gset
SELECT key_id AS k5 FROM pg_temp.ways WHERE way = 'COPY' \gset
SELECT log_request('mistral', 'm', api_key_id => :k1, input_tokens => 10, output_tokens => 1,
                   cached_tokens => 4, cost_usd => 0.25) > 0,
       log_request('mistral', 'm', api_key_id => :k1, input_tokens => 20, http_status => 500) > 0,
       log_request('mistral', 'm', api_key_id => :k1, status => 'failed',
                   error_type => 'timeout') > 0,
       log_request('mistral', 'm', api_key_id => :k1, output_tokens => 3, http_status => 200,
                   created_at => '2001-01-01') > 0;
SELECT log_requests(jsonb_build_array(
  jsonb_build_object('provider', 'mistral', 'model', 'm', 'api_key_id', :k2, 'input_tokens', 10,
                     'output_tokens', 1, 'cached_tokens', 4, 'cost_usd', 0.25),
  jsonb_build_object('provider', 'mistral', 'model', 'm', 'api_key_id', :k2, 'input_tokens', 20,
                     'http_status', 500),
  jsonb_build_object('provider', 'mistral', 'model', 'm', 'api_key_id', :k2, 'status', 'failed',
                     'error_type', 'timeout'),
  jsonb_build_object('provider', 'mistral', 'model', 'm', 'api_key_id', :k2, 'output_tokens', 3,
                     'http_status', 200, 'created_at', '2001-01-01')));
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, input_tokens,
  output_tokens, cached_tokens, cost_usd) VALUES ('mistral', 'm', :k3, 10, 1, 4, 0.25);
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, input_tokens,
  http_status) VALUES ('mistral', 'm', :k3, 20, 500);
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, status, error_type)
VALUES ('mistral', 'm', :k3, 'failed', 'timeout');
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, output_tokens,
  http_status, created_at) VALUES ('mistral', 'm', :k3, 3, 200, '2001-01-01');
INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, input_tokens,
  output_tokens, cached_tokens, cost_usd, http_status, status, error_type, created_at)
VALUES ('mistral', 'm', :k4, 10, 1, 4, 0.25, NULL, DEFAULT, NULL, DEFAULT),
       ('mistral', 'm', :k4, 20, DEFAULT, DEFAULT, NULL, 500, DEFAULT, NULL, DEFAULT),
       ('mistral', 'm', :k4, DEFAULT, DEFAULT, DEFAULT, NULL, NULL, 'failed', 'timeout', DEFAULT),
       ('mistral', 'm', :k4, DEFAULT, 3, DEFAULT, NULL, 200, DEFAULT, NULL, '2001-01-01');
SELECT format('COPY keypool.chat_completion_requests (provider, model, api_key_id, input_tokens, '
              'output_tokens, cached_tokens, cost_usd, http_status, status, error_type, '
              'created_at) FROM PROGRAM %L (FORMAT csv)',
              replace('printf "mistral,m,KEY,10,1,4,0.25,,completed,,now\n'
                      'mistral,m,KEY,20,0,0,,500,completed,,now\n'
                      'mistral,m,KEY,0,0,0,,,failed,timeout,now\n'
                      'mistral,m,KEY,0,3,0,,200,completed,,2001-01-01\n"', 'KEY', :'k5'))
\gexec
SELECT way, pg_temp.counts(key_id) FROM pg_temp.ways ORDER BY key_id;
SELECT count(DISTINCT (state, error_rate, cost_today, latency_ms)) FROM pg_temp.ways
JOIN keypool.api_keys_overview USING (key_id);

-- log_requests: members as the arguments of log_request, numbers and texts where either is meant.
SELECT log_requests('[]');
SELECT log_requests('[{"provider": "openai", "model": "gpt-4", "user_id": 42, "organization_id": null,
  "input_tokens": "7", "output_tokens": 8.0, "cost_usd": "0.5", "processing_time_ms": 1e2,
  "is_anonymous": false, "created_at": "2020-02-02T20:20:00Z", "metadata": {"a": [1, 2]},
  "request_id": "j", "attempt": 3}]');
SELECT pg_temp.last_row(), created_at = '2020-02-02 20:20+00', attempt FROM pg_temp.log
ORDER BY id DESC LIMIT 1;
SELECT log_requests('[{"provider": "openai", "model": "gpt-4", "metadata": "text"}, {"provider":
  "openai", "model": 4, "metadata": null}]');
SELECT jsonb_typeof(metadata), model FROM pg_temp.log ORDER BY id DESC LIMIT 2;
-- Repeats are not counted, within the array neither.
SELECT log_requests('[{"provider": "openai", "model": "gpt-4", "request_id": "a"},
  {"provider": "openai", "model": "gpt-4", "request_id": "a"},
  {"provider": "openai", "model": "gpt-4", "request_id": "a", "attempt": 2},
  {"provider": "openai", "model": "gpt-4", "request_id": "r"}]');
-- Many.
SELECT add_key('openai', pg_temp.key('many'), user_id => 'many') AS many \gset
SELECT log_requests((SELECT jsonb_agg(jsonb_build_object('provider', 'openai', 'model', 'gpt-4',
  'api_key_id', :many, 'input_tokens', n, 'output_tokens', 1, 'metadata', jsonb_build_object('n', n)))
  FROM generate_series(1, 10000) AS n));
SELECT pg_temp.counts(:many), count(*), sum(input_tokens + output_tokens), sum(cost_usd)
FROM pg_temp.log WHERE api_key_id = :many;
-- All or nothing, and which one it was.
CREATE FUNCTION pg_temp.batch(VARIADIC members text[]) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT pg_temp.failure(format('SELECT log_requests(%L)',
    '[{"provider": "openai", "model": "batch"}, ' || array_to_string(members, ', ') || ']'))
$$;
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "tokens": 1}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4"}', '{"provider": "openai"}');
SELECT pg_temp.batch('{"model": "gpt-4"}');
SELECT pg_temp.batch('{"provider": "opneai", "model": "gpt-4"}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "input_tokens": -1}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "input_tokens": 1.5}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "input_tokens": 3000000000}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "input_tokens": "1e3"}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "lease_id": 99999999999999999999}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "input_tokens": [1]}');
SELECT pg_temp.batch('{"provider": "openai", "model": true}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "is_anonymous": "yes"}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "cost_usd": -1}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "created_at": 12}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "created_at": "yesteryear"}');
SELECT pg_temp.batch('{"provider": "openai", "model": "gpt-4", "created_at": "infinity"}');
SELECT pg_temp.batch('7');
SELECT pg_temp.batch('[1]');
SELECT pg_temp.batch('null');
SELECT count(*) FROM pg_temp.log WHERE model = 'batch';
SELECT pg_temp.failure($$ SELECT log_requests('{}') $$);
SELECT pg_temp.failure($$ SELECT log_requests('7') $$);
SELECT pg_temp.failure($$ SELECT log_requests('null') $$);
SELECT pg_temp.failure($$ SELECT log_requests(NULL) $$);
-- What the server itself refuses says where, too.
\set VERBOSITY default
SELECT log_requests('[{"provider": "openai", "model": "gpt-4"},
  {"provider": "openai", "model": "gpt-4", "created_at": "yesteryear"}]');
SELECT log_requests('[{"provider": "openai", "model": "gpt-4"},
  {"provider": "openai", "model": "gpt-4", "lease_id": 4711}]');
\set VERBOSITY terse

-- Wrong arguments.
CREATE FUNCTION pg_temp.refused(arguments text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT pg_temp.failure('SELECT log_request(''openai'', ''gpt-4'', ' || arguments || ')')
$$;
SELECT pg_temp.failure($$ SELECT log_request(NULL, 'gpt-4') $$);
SELECT pg_temp.failure($$ SELECT log_request('openai', NULL) $$);
SELECT pg_temp.failure($$ SELECT log_request('opneai', 'gpt-4') $$);
SELECT pg_temp.failure($$ SELECT log_request('', 'gpt-4') $$);
SELECT pg_temp.refused('input_tokens => -1');
SELECT pg_temp.refused('output_tokens => -1');
SELECT pg_temp.refused('cached_tokens => -2147483648');
SELECT pg_temp.refused('cost_usd => -0.000000001');
SELECT pg_temp.refused('cost_usd => ''NaN''');
SELECT pg_temp.refused('cost_usd => ''Infinity''');
SELECT pg_temp.refused('cost_usd => 1e6');
SELECT pg_temp.refused('cost_usd => 1e30');
SELECT pg_temp.refused('processing_time_ms => -1');
SELECT pg_temp.refused('http_status => -1');
SELECT pg_temp.refused('http_status => 1000');
SELECT pg_temp.refused('attempt => -1');
SELECT pg_temp.refused('created_at => ''infinity''');
SELECT pg_temp.refused('created_at => ''-infinity''');
SELECT pg_temp.refused('user_id => repeat(''u'', 256)');
SELECT pg_temp.refused('organization_id => repeat(''o'', 256)');
SELECT pg_temp.refused('request_id => repeat(''r'', 256)');
SELECT pg_temp.refused('metadata => jsonb_build_object(''x'', repeat(''x'', 1048576))');
BEGIN READ ONLY;
SELECT log_request('openai', 'gpt-4');
ROLLBACK;
BEGIN READ ONLY;
SELECT log_requests('[]');
ROLLBACK;
-- The far future and the far past have days as well, if not partitions of their own.
SELECT log_request('openai', 'gpt-4', created_at => '294276-12-31 23:59:59.999999+00') > 0,
       log_request('openai', 'gpt-4', created_at => '4713-11-24 00:00+00 BC') > 0;
SELECT count(*) FROM keypool.chat_completion_requests_default
WHERE created_at > '2100-01-01' OR created_at < '0001-01-01';
-- Large, but not too large.
SELECT log_request('openai', 'gpt-4', user_id => repeat('u', 255), request_id => repeat('r', 255),
                   metadata => jsonb_build_object('x', repeat('x', 1048500))) > 0;
SELECT octet_length(user_id), octet_length(request_id), octet_length(metadata ->> 'x')
FROM pg_temp.log ORDER BY id DESC LIMIT 1;
-- What describes is cut, between characters.
SELECT log_request('openai', repeat('m', 300), session_id => repeat('ä', 200),
                   trace_id => repeat('t', 300), status => repeat('s', 300),
                   error_type => repeat('e', 256), error_message => repeat('a long story ', 1000)) > 0;
SELECT length(model), octet_length(session_id), length(trace_id), length(status),
       length(error_type), length(error_message)
FROM pg_temp.log ORDER BY id DESC LIMIT 1;
-- Providers repeat keys in their messages.
SELECT log_request('openai', 'gpt-4', api_key => 'unusual:secret:1', http_status => 401,
                   error_message => 'Wrong key ' || pg_temp.key('echo') || ' or unusual:secret:1') > 0;
SELECT error_message FROM pg_temp.log ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM pg_temp.log l WHERE l::text ~ 'unusual|kkkk';
