-- Ciphertext that dies of tables other than the keys', whose own trigger sees it. By row and in
-- every replication role, so that a subscriber's worker learns of it, too.

CREATE TRIGGER ciphertext_replaced
  AFTER UPDATE ON keypool.alert_webhooks
  FOR EACH ROW WHEN (OLD.envelope IS DISTINCT FROM NEW.envelope)
  EXECUTE FUNCTION keypool.ciphertext_died();
ALTER TABLE keypool.alert_webhooks ENABLE ALWAYS TRIGGER ciphertext_replaced;
CREATE TRIGGER ciphertext_deleted
  AFTER DELETE ON keypool.alert_webhooks
  FOR EACH ROW EXECUTE FUNCTION keypool.ciphertext_died();
ALTER TABLE keypool.alert_webhooks ENABLE ALWAYS TRIGGER ciphertext_deleted;

CREATE TRIGGER ciphertext_replaced
  AFTER UPDATE ON keypool.data_keys
  FOR EACH ROW WHEN (OLD.wrapped IS DISTINCT FROM NEW.wrapped)
  EXECUTE FUNCTION keypool.ciphertext_died();
ALTER TABLE keypool.data_keys ENABLE ALWAYS TRIGGER ciphertext_replaced;
CREATE TRIGGER ciphertext_deleted
  AFTER DELETE ON keypool.data_keys
  FOR EACH ROW EXECUTE FUNCTION keypool.ciphertext_died();
ALTER TABLE keypool.data_keys ENABLE ALWAYS TRIGGER ciphertext_deleted;
