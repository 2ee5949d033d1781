-- acquire_key and explain_pick with fallback: the provider chain.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
UPDATE keypool.providers SET strategy = 'single';
SELECT name, fallback_order FROM keypool.providers WHERE fallback_order IS NOT NULL
ORDER BY fallback_order;

CREATE FUNCTION pg_temp.served(provider text, user_id text = NULL, organization_id text = NULL,
                               fallback bool = true)
RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', a.provider, a.key_source, right(a.secret, 4), a.base_url)
  FROM acquire_key($1, $2, $3, fallback => $4) AS a
$$;
SELECT add_key('openai', pg_temp.key('open')) AS openai,
       add_key('anthropic', 'sk-ant-api03-' || repeat('k', 24) || 'anth') AS anthropic,
       add_key('gemini', 'AIza' || repeat('k', 31) || 'gemi') AS gemini,
       add_key('groq', 'gsk_' || repeat('k', 20) || 'groq') AS groq \gset

-- The provider asked for comes first, wherever it stands in the chain.
SELECT pg_temp.served('openai');
SELECT pg_temp.served('claude');
SELECT pg_temp.served('groq');
-- Then the chain, in its order.
SELECT mark_key_error(:openai, 'invalid_api_key', 401);
SELECT pg_temp.served('openai');
SELECT mark_key_error(:anthropic, 'invalid_api_key', 401);
SELECT pg_temp.served('openai');
-- One that is not in the chain serves only who asked for it.
SELECT mark_key_error(:gemini, 'invalid_api_key', 401);
SELECT pg_temp.failure($$ SELECT pg_temp.served('openai') $$);
SELECT pg_temp.served('groq');
-- From outside the chain into it.
SELECT mark_key_error(:groq, 'invalid_api_key', 401);
SELECT rotate_key(:gemini, 'AIza' || repeat('k', 31) || 'newg');
SELECT pg_temp.served('groq');
-- Nobody is sent elsewhere without having asked for it.
SELECT pg_temp.failure($$ SELECT pg_temp.served('openai', fallback => false) $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);

-- explain_pick walks the same way.
SELECT position, key_id, provider, eligible, reason FROM explain_pick('openai', fallback => true);
SELECT position, key_id, provider, eligible, reason FROM explain_pick('groq', fallback => true);

-- Each provider's owners in order, before the next provider.
SELECT rotate_key(:anthropic, 'sk-ant-api03-' || repeat('k', 24) || 'newa');
SELECT add_key('gemini', 'AIza' || repeat('k', 31) || 'user', user_id => 'u1') > 0;
SELECT pg_temp.served('openai', 'u1');
UPDATE keypool.providers SET fallback_order = 0 WHERE name = 'gemini';
SELECT pg_temp.served('openai', 'u1'), pg_temp.served('openai', 'u2');
-- Equal places go by name; NULL leaves the chain; a disabled provider is passed over.
UPDATE keypool.providers SET fallback_order = 0 WHERE name = 'anthropic';
SELECT pg_temp.served('openai', 'u1');
UPDATE keypool.providers SET fallback_order = NULL WHERE name = 'anthropic';
SELECT pg_temp.served('openai', 'u1');
UPDATE keypool.providers SET fallback_order = 0, enabled = false WHERE name = 'anthropic';
SELECT pg_temp.served('openai', 'u1');
UPDATE keypool.providers SET enabled = true WHERE name = 'anthropic';

-- A provider that rests is passed over, too.
SELECT rotate_key(:openai, pg_temp.key('newo'));
SELECT pg_temp.served('openai');
SELECT mark_key_error(:openai, 'overloaded_error', 503, '20 s');
SELECT pg_temp.served('openai');

-- exclude and model hold along the whole chain.
SELECT provider, key_id = :gemini FROM acquire_key('openai', fallback => true,
                                                   exclude => ARRAY[:openai, :anthropic]);
SELECT pg_temp.failure(format($$ SELECT * FROM acquire_key('openai', fallback => true,
                                 exclude => '{%s,%s,%s}') $$, :openai, :anthropic, :gemini));
UPDATE keypool.api_keys SET models = '{claude-*}' WHERE id = :anthropic;
UPDATE keypool.api_keys SET models = '{gemini-*}' WHERE id = :gemini;
SELECT provider FROM acquire_key('openai', model => 'gemini-2.5-pro', fallback => true);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', model => 'gpt-4',
                                                    fallback => true) $$);
-- A provider that is not known is no case for falling back.
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('opnai', fallback => true) $$);
