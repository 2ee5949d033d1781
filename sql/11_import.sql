-- import_keys: the document, its idempotence, and what one bad part does to the rest.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_keypool CASCADE;
CREATE EXTENSION pg_keypool;
RESET client_min_messages;
\pset format unaligned

CREATE FUNCTION pg_temp.key(tail text) RETURNS text LANGUAGE sql AS
$$ SELECT 'sk-proj-' || repeat('k', 24) || tail $$;

-- The document of the manual, with keys filled in.
CREATE TEMP TABLE document AS SELECT jsonb_build_object(
  'providers', jsonb_build_object(
    'openai', jsonb_build_object(
      'api_keys', jsonb_build_array(
        jsonb_build_object('key', pg_temp.key('i001'), 'name', 'primary', 'rate_limit', 1000,
                           'cost_limit', 100.0, 'enabled', true),
        jsonb_build_object('key', pg_temp.key('i002'), 'models', '["gpt-4*"]'::jsonb,
                           'weight', 2, 'user_id', 42, 'expires_at', '2031-01-01T00:00:00Z')),
      'models', '[{"name":"gpt-4","input_cost_per_1k_tokens":0.03,"output_cost_per_1k_tokens":0.06,
                   "max_tokens":8192,"enabled":true}]'::jsonb,
      'rotation', '{"strategy":"least_used","interval":"1h","health_check":true,
                    "fallback_enabled":true}'::jsonb),
    'claude', jsonb_build_object(
      'api_keys', jsonb_build_array(
        jsonb_build_object('key', 'sk-ant-api03-' || repeat('k', 24) || 'i003')))),
  'global', '{"fallback_chain":["claude","openai","gemini"],"global_rate_limit":2000,
              "daily_cost_limit":500.0,"cost_alert_threshold":0.8,
              "default_rotation_strategy":"random","health_check_interval":"5m",
              "key_timeout":"30s"}'::jsonb) AS body;

SELECT i.* FROM document, import_keys(body) AS i;
SELECT provider, name, key_source, owner, hint, rate_limit, daily_cost_limit, weight, models,
       expires_at = '2031-01-01 00:00:00+00' AS expires, enabled
FROM keypool.api_keys ORDER BY id;
SELECT name, strategy, rotation_interval = '1 hour' AS hourly, fallback_order, builtin
FROM keypool.providers WHERE NOT builtin OR fallback_order IS NOT NULL ORDER BY name;

-- Again: nothing changes. With other limits: they do, and what is not named stays.
SET client_min_messages = warning;
SELECT i.* FROM document, import_keys(body) AS i;
SELECT * FROM import_keys(jsonb_build_object('providers', jsonb_build_object('openai',
  jsonb_build_object('api_keys', jsonb_build_array(
    jsonb_build_object('key', pg_temp.key('i001'), 'name', 'renamed', 'rate_limit', 2000))))));
SELECT name, rate_limit, daily_cost_limit FROM keypool.api_keys WHERE id = resolve_key(pg_temp.key('i001'));

-- One bad key does not stop the rest, and no reason holds a secret.
SELECT * FROM import_keys(jsonb_build_object('providers', jsonb_build_object(
  'openai', jsonb_build_object('api_keys', jsonb_build_array(
    jsonb_build_object('key', 'pplx-' || repeat('k', 40), 'name', 'odd'),
    jsonb_build_object('key', pg_temp.key('i004'), 'name', 'primary'),
    jsonb_build_object('key', pg_temp.key('i005'), 'rate_limit', -1),
    jsonb_build_object('key', pg_temp.key('i006'), 'expires_at', pg_temp.key('i006')),
    jsonb_build_object('key', pg_temp.key('i007'), 'models', '[]'::jsonb),
    jsonb_build_object('name', 'empty'),
    jsonb_build_object('key', pg_temp.key('i008')))),
  'opnai', jsonb_build_object('api_keys', jsonb_build_array(
    jsonb_build_object('key', pg_temp.key('i009')))))));
SELECT * FROM import_keys('{"providers": {"groq": {"rotation": {"strategy": "astrology"}},
  "xai": {"rotation": {"interval": "fortnightly"}}, "opnai": {"rotation": {"strategy": "single"}}},
  "global": {"fallback_chain": ["openai", "opnai"]}}');
SELECT string_agg(name, ',' ORDER BY fallback_order) FROM keypool.providers
WHERE fallback_order IS NOT NULL;
RESET client_min_messages;

-- What has no effect is named; a document that is none says where.
SELECT count(*) FROM import_keys('{"colour": "red", "providers": {"groq": {"logo": 1,
  "models": [{"name": "m"}]}}, "global": {"key_timeout": "3s"}}');
SELECT count(*) FROM import_keys('{}');
SELECT * FROM import_keys('[]');
SELECT * FROM import_keys('{"providers": {"openai": {"api_keys": {}}}}');
SELECT * FROM import_keys(NULL);
