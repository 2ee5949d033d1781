-- Webhooks. By ALWAYS, as a restore that runs as replica must not store a secret in the clear either;
-- a row that comes sealed passes as it is.
CREATE TRIGGER guard_webhook
  BEFORE INSERT OR UPDATE ON keypool.alert_webhooks
  FOR EACH ROW EXECUTE FUNCTION keypool.guard_webhook();
ALTER TABLE keypool.alert_webhooks ENABLE ALWAYS TRIGGER guard_webhook;
