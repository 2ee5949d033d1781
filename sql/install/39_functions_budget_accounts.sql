-- The budgets' running sums as shared memory has them: of those that are in use.
--
-- What is spent is in the tables too (keypool.budget_status); what leases have reserved is known
-- here alone.
CREATE FUNCTION keypool.budget_accounts()
RETURNS TABLE (budget_id bigint, subject text, spent_usd numeric, reserved_usd numeric)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'keypool_budget_accounts';
