-- Triggers. Those that keep the pool true fire in every replication role; the rest guard what
-- people type, and stay out of the way of replication, whose rows were guarded where they were
-- written.

-- A changed row marks the transaction with its owner; its commit tells every session whose keys to
-- look at again. By row, because logical replication applies rows without firing statement triggers.
CREATE TRIGGER keys_changed
  AFTER INSERT OR UPDATE OR DELETE ON keypool.api_keys
  FOR EACH ROW EXECUTE FUNCTION keypool.keys_changed();
CREATE TRIGGER keys_truncated
  AFTER TRUNCATE ON keypool.api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.keys_changed();
ALTER TABLE keypool.api_keys ENABLE ALWAYS TRIGGER keys_changed;
ALTER TABLE keypool.api_keys ENABLE ALWAYS TRIGGER keys_truncated;

CREATE TRIGGER keys_changed
  AFTER INSERT OR UPDATE OR DELETE ON keypool.providers
  FOR EACH ROW EXECUTE FUNCTION keypool.keys_changed();
ALTER TABLE keypool.providers ENABLE ALWAYS TRIGGER keys_changed;

-- A restore writes it after the keys, when the worker may have loaded those already.
CREATE TRIGGER key_state_written
  AFTER INSERT ON keypool.key_state
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.key_state_written();
ALTER TABLE keypool.key_state ENABLE ALWAYS TRIGGER key_state_written;

CREATE TRIGGER guard_api_key
  BEFORE UPDATE ON keypool.api_keys
  FOR EACH ROW EXECUTE FUNCTION keypool.guard_api_key();

-- A dump carries the provider rows that people wrote or edited. Restored, such a row meets the one
-- seeded by CREATE EXTENSION and takes its place. Restores often run as replica: hence ALWAYS.
CREATE TRIGGER replace_builtin_provider
  BEFORE INSERT ON keypool.providers
  FOR EACH ROW EXECUTE FUNCTION keypool.replace_builtin_provider();
ALTER TABLE keypool.providers ENABLE ALWAYS TRIGGER replace_builtin_provider;

-- An upgrade script that corrects a built-in row disables this one meanwhile.
CREATE TRIGGER mark_provider_edited
  BEFORE UPDATE ON keypool.providers
  FOR EACH ROW
  WHEN (OLD.builtin AND NEW.builtin AND OLD.* IS DISTINCT FROM NEW.*)
  EXECUTE FUNCTION keypool.mark_edited();

-- The seeds went in before the triggers existed. Touching them marks this transaction: a pool that
-- remembers an earlier installation in this database reloads when CREATE EXTENSION commits, and the
-- launcher learns that there is a database to watch.
UPDATE keypool.providers SET enabled = enabled;
