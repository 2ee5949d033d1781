-- Going on elsewhere: to another model, another owner's key or another provider, because a budget
-- says so or because nothing else is left, cheaper first; and what the receipt tells of it.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
SELECT add_key('openai', pg_temp.key('syst')) AS system_key \gset
SELECT add_key('openai', pg_temp.key('orgo'), organization_id => 'o1') AS org_key \gset
SELECT add_key('openai', pg_temp.key('usr1'), user_id => 'u1') AS user_key \gset
SELECT add_key('anthropic', 'sk-ant-' || repeat('k', 30)) AS other_key \gset
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost) VALUES
  ('openai', 'dear', 10, 40), ('openai', 'cheap', 1, 4),
  ('anthropic', 'dear', 5, 20), ('anthropic', 'stand-in', 2, 8);
PREPARE acquire AS
  SELECT provider, key_source, model, pg_temp.timeless(tried::text)
  FROM acquire_key($1, $2, $3, model => $4, fallback => $5, cheaper_first => $6,
                   estimated_tokens => 1000);

-- Nothing was passed over.
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);
EXECUTE acquire('openai', NULL, NULL, NULL, false, false);

-- A cheaper model.
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd, action, fallback_model)
VALUES ('dear', 'model', 'dear', 'day', 0.05, 'fallback', 'cheap');
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);
EXECUTE acquire('openai', 'u1', NULL, 'cheap', false, false);
DELETE FROM keypool.budgets;

-- Another owner's key: the user has spent what his own may.
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd, action)
VALUES ('own', 'user', 'u1', 'day', 0.000001, 'fallback');
INSERT INTO keypool.chat_completion_requests (provider, user_id, cost_usd) VALUES ('openai', 'u1', 1);
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);
EXECUTE acquire('openai', 'u1', 'o1', 'dear', false, false);
SELECT pick_key('openai', 'u1') = pg_temp.key('syst');
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd, action)
VALUES ('theirs', 'organization', 'o1', 'day', 0.000001, 'fallback');
EXECUTE acquire('openai', 'u1', 'o1', 'dear', false, false);
DELETE FROM keypool.budgets;

-- Another provider, though the caller did not ask for a chain.
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd, action)
VALUES ('there', 'provider', 'openai', 'day', 0.000001, 'fallback');
EXECUTE acquire('openai', NULL, NULL, 'dear', false, false);
INSERT INTO keypool.equivalent_models VALUES ('dear', 'anthropic', 'stand-in');
EXECUTE acquire('openai', NULL, NULL, 'dear', false, false);
DELETE FROM keypool.budgets;

-- The chain, when keys are not to be had, and cheaper first.
UPDATE keypool.api_keys SET enabled = false WHERE provider = 'openai';
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);
EXECUTE acquire('openai', 'u1', NULL, 'dear', true, false);
UPDATE keypool.api_keys SET enabled = true WHERE provider = 'openai';
EXECUTE acquire('openai', 'u1', NULL, 'dear', true, false);
EXECUTE acquire('openai', 'u1', NULL, 'dear', true, true);
SELECT position, provider, eligible FROM explain_pick('openai', model => 'dear', cheaper_first => true);
DELETE FROM keypool.equivalent_models;
EXECUTE acquire('openai', 'u1', NULL, 'cheap', false, true);
UPDATE keypool.api_keys SET enabled = false WHERE id = :user_key;
EXECUTE acquire('openai', 'u1', NULL, 'dear', false, false);

-- A global budget leaves no way round it.
INSERT INTO keypool.budgets (name, scope, period, limit_usd) VALUES ('all', 'global', 'day', 0.000001);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', fallback => true, estimated_cost => 1) $$);
