-- What budgets do to picks: what is reserved, settled and given back, who is refused and why, and
-- what is fallen back on.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
SELECT add_key('openai', pg_temp.key('syst')) AS system_key \gset
SELECT add_key('openai', pg_temp.key('orgo'), organization_id => 'o1') AS org_key \gset
SELECT add_key('openai', pg_temp.key('usr1'), user_id => 'u1') AS user_key \gset
SELECT add_key('anthropic', 'sk-ant-' || repeat('k', 30)) AS other_key \gset
CREATE VIEW pg_temp.sums AS
  SELECT b.name, a.subject, trim_scale(a.spent_usd) AS spent, trim_scale(a.reserved_usd) AS reserved
  FROM keypool.budget_accounts() a JOIN keypool.budgets b ON b.id = a.budget_id
  ORDER BY b.id, a.subject;

-- Reserved with the estimate, settled at COMMIT with what it cost.
INSERT INTO keypool.budgets (name, scope, period, limit_usd) VALUES ('all', 'global', 'day', 1);
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd)
VALUES ('each user', 'user', '*', 'month', 0.5);
SELECT lease_id AS lease FROM acquire_key('openai', 'u1', estimated_cost => 0.3) \gset
TABLE pg_temp.sums;
BEGIN;
SELECT log_request('openai', 'gpt-4o', 'u1', lease_id => :lease, cost_usd => 0.2) > 0;
TABLE pg_temp.sums;
COMMIT;
TABLE pg_temp.sums;

-- Nothing is carried past the limit; what is refused reserves nothing on any budget.
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u1', estimated_cost => 0.300000001) $$);
TABLE pg_temp.sums;
SELECT lease_id AS lease FROM acquire_key('openai', 'u1', estimated_cost => 0.3) \gset
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', 'u1', estimated_cost => 0) $$);
SELECT release_key(:lease);
TABLE pg_temp.sums;

-- A request that rolls back costs nothing; its lease stays until it is released or expires.
SELECT lease_id AS lease FROM acquire_key('openai', 'u1', estimated_cost => 0.1) \gset
BEGIN;
SELECT log_request('openai', 'gpt-4o', 'u1', lease_id => :lease, cost_usd => 0.1) > 0;
ROLLBACK;
TABLE pg_temp.sums;
SELECT release_key(:lease);

-- Plain rows, savepoints, corrections.
BEGIN;
INSERT INTO keypool.chat_completion_requests (provider, model, user_id, cost_usd)
VALUES ('openai', 'gpt-4o', 'u2', 0.1), ('openai', 'gpt-4o', 'u2', 0.2);
SAVEPOINT a;
INSERT INTO keypool.chat_completion_requests (provider, user_id, cost_usd)
VALUES ('openai', 'u3', 0.4);
ROLLBACK TO a;
INSERT INTO keypool.chat_completion_requests (provider, user_id, cost_usd)
VALUES ('openai', 'u3', 0.01);
COMMIT;
SELECT pick_key('openai', 'u2') IS NOT NULL, pick_key('openai', 'u3') IS NOT NULL;
TABLE pg_temp.sums;
UPDATE keypool.chat_completion_requests SET cost_usd = 0.05 WHERE user_id = 'u2' AND cost_usd = 0.1;
DELETE FROM keypool.chat_completion_requests WHERE user_id = 'u3';
UPDATE keypool.chat_completion_requests SET user_id = 'u4' WHERE cost_usd = 0.2 AND user_id = 'u2';
SELECT pick_key('openai', 'u4') IS NOT NULL;
TABLE pg_temp.sums;
-- The tables say the same.
SELECT name, subject, spent_usd FROM keypool.budget_status ORDER BY budget_id, subject;

-- pick_key has no lease: it is refused once nothing is left, and explain_pick says the same.
INSERT INTO keypool.chat_completion_requests (provider, user_id, cost_usd)
VALUES ('openai', 'u4', 0.3);
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4') $$);
SELECT key_id = :system_key, eligible, pg_temp.timeless(reason) FROM explain_pick('openai', 'u4');
SELECT key_id = :system_key, eligible, reason FROM explain_pick('openai', 'u5');

-- One's own budget replaces that for each of the same period.
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd) VALUES ('own', 'user', 'u4', 'month', 5);
SELECT pick_key('openai', 'u4') IS NOT NULL;
SELECT name, spent_usd FROM keypool.budget_status WHERE subject = 'u4';
DELETE FROM keypool.budgets WHERE name = 'own';
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u4') $$);

-- A change is in force with its COMMIT, and sums are kept; what is deleted refuses no more.
UPDATE keypool.budgets SET limit_usd = 0.6 WHERE name = 'each user';
SELECT pick_key('openai', 'u4') IS NOT NULL;
DELETE FROM keypool.budgets WHERE name = 'each user';
SELECT pick_key('openai', 'u4') IS NOT NULL;
TABLE pg_temp.sums;

-- Each scope refuses what it is about.
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd) VALUES
  ('provider', 'provider', 'OpenAI', 'day', 0.000001),
  ('organization', 'organization', 'o1', 'day', 0.000001),
  ('model', 'model', 'claude-opus', 'day', 0.000001);
INSERT INTO keypool.chat_completion_requests (provider, model, organization_id, cost_usd)
VALUES ('anthropic', 'claude-opus', 'o1', 0.01);
SELECT pg_temp.failure($$ SELECT pick_key('claude', organization_id => 'o1') $$);
SELECT pg_temp.failure($$ SELECT pick_key('anthropic', model => 'claude-opus') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
SELECT pick_key('anthropic', model => 'claude-haiku-4-5', user_id => 'u1') IS NOT NULL;
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (name, scope, period, limit_usd) VALUES ('nobody', 'anonymous', 'day', 0.001);
INSERT INTO keypool.chat_completion_requests (provider, cost_usd) VALUES ('openai', 0.001);
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
SELECT pick_key('openai', 'u1') IS NOT NULL, pick_key('openai', organization_id => 'o1') IS NOT NULL;

-- A key's budget puts that key out, and the next one serves.
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (name, scope, scope_id, period, limit_usd)
SELECT 'key', 'key', :user_key, 'week', 0.01;
INSERT INTO keypool.chat_completion_requests (provider, user_id, api_key_id, cost_usd)
VALUES ('openai', 'u1', :user_key, 0.01);
SELECT key_id = :system_key, pg_temp.timeless(tried::text) FROM acquire_key('openai', 'u1', estimated_cost => 0.001);
SELECT key_id, eligible, pg_temp.timeless(reason) FROM explain_pick('openai', 'u1');
UPDATE keypool.api_keys SET enabled = false WHERE id = :system_key;
SELECT pg_temp.failure($$ SELECT pick_key('openai', 'u1') $$);
UPDATE keypool.api_keys SET enabled = true WHERE id = :system_key;

-- What cannot be known is refused by a closed budget, and assumed by an open one; never nothing.
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (name, scope, period, limit_usd) VALUES ('closed', 'global', 'total', 1000);
SELECT pg_temp.failure($$ SELECT * FROM acquire_key('openai', model => 'never-heard-of') $$);
SELECT pg_temp.failure($$ SELECT pick_key('openai', model => 'never-heard-of') $$);
SELECT key_id = :system_key FROM acquire_key('openai', model => 'never-heard-of', estimated_cost => 0.02);
UPDATE keypool.budgets SET fail_mode = 'open';
SELECT reserved FROM pg_temp.sums;
SELECT key_id = :system_key FROM acquire_key('openai', model => 'never-heard-of');
SELECT reserved FROM pg_temp.sums;
SELECT spent AS spent_before FROM pg_temp.sums \gset
SELECT log_request('openai', 'never-heard-of', 'u1') > 0;
SELECT spent - :spent_before FROM pg_temp.sums;

-- Estimates: by the price of the tokens expected, else by what its requests cost lately.
INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost) VALUES ('openai', 'priced', 1, 4);
SELECT reserved AS before FROM pg_temp.sums \gset
SELECT key_id = :system_key FROM acquire_key('openai', model => 'priced', estimated_tokens => 1000);
SELECT reserved - :before FROM pg_temp.sums;
SELECT count(log_request('openai', 'priced', 'u1', input_tokens => 100, output_tokens => 100)) FROM generate_series(1, 100);
SELECT reserved AS before FROM pg_temp.sums \gset
SELECT key_id = :system_key FROM acquire_key('openai', model => 'priced');
SELECT reserved - :before BETWEEN 0.0005 AND 0.0006 FROM pg_temp.sums;

-- A warning refuses nobody.
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (name, scope, period, limit_usd, action) VALUES ('warning', 'global', 'total', 0.01, 'warn');
SELECT pick_key('openai') IS NOT NULL;
SELECT key_id = :system_key FROM acquire_key('openai', estimated_cost => 5);
SELECT state FROM keypool.budget_status;

-- More budgets than a request may have.
DELETE FROM keypool.budgets;
INSERT INTO keypool.budgets (scope, period, limit_usd) SELECT 'global', 'day', n FROM generate_series(1, 13) n;
SELECT pg_temp.failure($$ SELECT pick_key('openai') $$);
DELETE FROM keypool.budgets;
SELECT pick_key('openai') IS NOT NULL;
