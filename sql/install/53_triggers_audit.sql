-- The triggers of the audit log, in every replication role: what keeps its entries as they are, and
-- what tells it of changes made by plain SQL. Rows may be inserted: a restore does so.

CREATE TRIGGER guard_audit_log
  BEFORE UPDATE OR DELETE ON keypool.audit_log
  FOR EACH ROW EXECUTE FUNCTION keypool.guard_audit_log();
CREATE TRIGGER guard_audit_log_truncate
  BEFORE TRUNCATE ON keypool.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.guard_audit_log();
ALTER TABLE keypool.audit_log ENABLE ALWAYS TRIGGER guard_audit_log;
ALTER TABLE keypool.audit_log ENABLE ALWAYS TRIGGER guard_audit_log_truncate;

DO $$
DECLARE
  audited record;
BEGIN
  FOR audited IN
    SELECT * FROM (VALUES ('api_keys', 'key'), ('providers', 'provider'),
      ('alert_webhooks', 'webhook'), ('budgets', 'budget'), ('caller_limits', 'caller_limit'))
      AS a (name, noun)
  LOOP
    EXECUTE format(
      'CREATE TRIGGER note_row_change AFTER INSERT OR UPDATE OR DELETE ON keypool.%1$I'
      ' FOR EACH ROW EXECUTE FUNCTION keypool.note_row_change(%2$L);'
      'CREATE TRIGGER note_truncate AFTER TRUNCATE ON keypool.%1$I'
      ' FOR EACH STATEMENT EXECUTE FUNCTION keypool.note_row_change(%2$L);'
      'ALTER TABLE keypool.%1$I ENABLE ALWAYS TRIGGER note_row_change;'
      'ALTER TABLE keypool.%1$I ENABLE ALWAYS TRIGGER note_truncate;'
      'COMMENT ON TRIGGER note_row_change ON keypool.%1$I IS'
      ' ''Tells the audit log which columns changed, and from what to what.'';'
      'COMMENT ON TRIGGER note_truncate ON keypool.%1$I IS ''Tells the audit log of a TRUNCATE.''',
      audited.name, audited.noun);
  END LOOP;
END
$$;
