-- By row, because logical replication applies rows without firing statement triggers; TRUNCATE
-- sends the same message by itself.
CREATE TRIGGER caller_limits_changed
  AFTER INSERT OR UPDATE OR DELETE ON keypool.caller_limits
  FOR EACH ROW EXECUTE FUNCTION keypool.caller_limits_changed();
ALTER TABLE keypool.caller_limits ENABLE ALWAYS TRIGGER caller_limits_changed;
