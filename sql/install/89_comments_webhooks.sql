-- What \d+ says about webhooks.

COMMENT ON TABLE keypool.alert_webhooks IS 'Where alerts are posted to. Edit it with plain SQL.';
COMMENT ON COLUMN keypool.alert_webhooks.id IS 'Id of the webhook.';
COMMENT ON COLUMN keypool.alert_webhooks.url IS 'Where to post, http or https, without credentials.';
COMMENT ON COLUMN keypool.alert_webhooks.secret IS
  'What the posts are signed with, 16 to 256 bytes. Sealed when it is written; reads [sealed].';
COMMENT ON COLUMN keypool.alert_webhooks.envelope IS 'The secret, encrypted. Written by a trigger.';
COMMENT ON COLUMN keypool.alert_webhooks.events IS
  'Kinds of alerts to post, such as budget_spent. NULL: all.';
COMMENT ON COLUMN keypool.alert_webhooks.enabled IS
  'Whether it is posted to. An answer 410 (gone) sets it to false.';
COMMENT ON COLUMN keypool.alert_webhooks.description IS 'For people.';
COMMENT ON COLUMN keypool.alert_webhooks.created_at IS 'When it was added.';
COMMENT ON CONSTRAINT alert_webhooks_pkey ON keypool.alert_webhooks IS 'Webhooks by id.';
COMMENT ON SEQUENCE keypool.alert_webhooks_id_seq IS 'Ids of webhooks.';
COMMENT ON TRIGGER guard_webhook ON keypool.alert_webhooks IS
  'Checks the URL and the kinds, and seals the secret.';

COMMENT ON TABLE keypool.webhook_deliveries IS
  'What was posted to webhooks or has yet to be, of the last week. Written by the worker.';
COMMENT ON COLUMN keypool.webhook_deliveries.id IS
  'Id of the delivery, the same at every attempt; the receiver finds it in X-Keypool-Delivery.';
COMMENT ON COLUMN keypool.webhook_deliveries.webhook_id IS 'Id of the webhook.';
COMMENT ON COLUMN keypool.webhook_deliveries.alert_id IS 'Id of the alert.';
COMMENT ON COLUMN keypool.webhook_deliveries.event IS 'raised or cleared.';
COMMENT ON COLUMN keypool.webhook_deliveries.created_at IS 'When it was to be told.';
COMMENT ON COLUMN keypool.webhook_deliveries.attempts IS 'How often it was posted.';
COMMENT ON COLUMN keypool.webhook_deliveries.next_attempt_at IS
  'When it is posted next; NULL when it was delivered or given up.';
COMMENT ON COLUMN keypool.webhook_deliveries.delivered_at IS 'When the receiver took it.';
COMMENT ON COLUMN keypool.webhook_deliveries.given_up_at IS
  'When the last of keypool.webhook_attempts had failed, or the webhook was gone.';
COMMENT ON COLUMN keypool.webhook_deliveries.last_status IS
  'HTTP status of the last attempt; NULL when there was none.';
COMMENT ON COLUMN keypool.webhook_deliveries.last_error IS
  'Why the last attempt failed: a word of ours, or the beginning of the receiver''s answer.';
COMMENT ON CONSTRAINT webhook_deliveries_pkey ON keypool.webhook_deliveries IS 'Deliveries by id.';
COMMENT ON CONSTRAINT webhook_deliveries_once ON keypool.webhook_deliveries IS
  'A webhook is told of an event once.';
COMMENT ON INDEX keypool.webhook_deliveries_waiting IS 'What is due, by webhook.';

COMMENT ON VIEW keypool.webhook_status IS 'How each webhook does, over the last week.';
COMMENT ON COLUMN keypool.webhook_status.webhook_id IS 'Id of the webhook.';
COMMENT ON COLUMN keypool.webhook_status.target IS 'Its URL as far as the host.';
COMMENT ON COLUMN keypool.webhook_status.description IS 'For people.';
COMMENT ON COLUMN keypool.webhook_status.enabled IS 'Whether it is posted to.';
COMMENT ON COLUMN keypool.webhook_status.events IS 'Kinds of alerts it is told of. NULL: all.';
COMMENT ON COLUMN keypool.webhook_status.waiting IS 'Deliveries that have yet to be made.';
COMMENT ON COLUMN keypool.webhook_status.delivered IS 'Deliveries that were taken.';
COMMENT ON COLUMN keypool.webhook_status.given_up IS 'Deliveries that failed for good.';
COMMENT ON COLUMN keypool.webhook_status.last_delivered_at IS 'When one was taken last.';
COMMENT ON COLUMN keypool.webhook_status.last_status IS 'HTTP status of the latest attempt.';
COMMENT ON COLUMN keypool.webhook_status.last_error IS 'What went wrong with it, if anything.';

COMMENT ON FUNCTION @extschema@.add_webhook IS
  'Adds a webhook and returns its id. Unlike a plain INSERT it leaves no trace of the secret in '
  'pg_stat_activity or beside an error in the log.';
COMMENT ON FUNCTION keypool.guard_webhook IS
  'Internal: checks a webhook and seals its secret before the row is stored.';
