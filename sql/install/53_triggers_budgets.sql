-- The triggers of keypool.budgets. By row and in every replication role, so that the books are
-- opened for restored and replicated budgets, too.

CREATE TRIGGER guard_budget
  BEFORE INSERT OR UPDATE ON keypool.budgets
  FOR EACH ROW EXECUTE FUNCTION keypool.guard_budget();
ALTER TABLE keypool.budgets ENABLE ALWAYS TRIGGER guard_budget;

CREATE TRIGGER budgets_changed
  AFTER INSERT OR UPDATE OR DELETE ON keypool.budgets
  FOR EACH ROW EXECUTE FUNCTION keypool.budgets_changed();
ALTER TABLE keypool.budgets ENABLE ALWAYS TRIGGER budgets_changed;

CREATE TRIGGER budgets_truncated
  AFTER TRUNCATE ON keypool.budgets
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.budgets_changed();
ALTER TABLE keypool.budgets ENABLE ALWAYS TRIGGER budgets_truncated;
