COMMENT ON TABLE keypool.equivalent_models IS
  'What stands in for a model at another provider: acquire_key(…, fallback => true) asks for it '
  'there and names it in the receipt. Edited with plain SQL.';
COMMENT ON COLUMN keypool.equivalent_models.model IS 'The model that is asked for.';
COMMENT ON COLUMN keypool.equivalent_models.provider IS 'Where the request may be served instead.';
COMMENT ON COLUMN keypool.equivalent_models.equivalent IS 'The model to use there.';
COMMENT ON FUNCTION keypool.budget_accounts() IS
  'The budgets'' running sums as shared memory has them: of those that are in use. Spent is NULL where '
  'nobody has asked since the period began. What leases have reserved is known here alone; '
  'keypool.budget_status shows both.';
COMMENT ON TYPE keypool.acquired_key IS
  'The receipt of acquire_key: the lease, the key and its secret, the model to use, and in tried '
  'what was passed over before and why, a JSON array of objects.';
