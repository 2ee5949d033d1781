COMMENT ON FUNCTION @extschema@.forget_user(text) IS
  'Destroys all that is secret of a user: his keys, and fingerprints and free texts of his requests. Answers with counts';
COMMENT ON FUNCTION @extschema@.forget_organization(text) IS
  'Destroys all that is secret of an organization, as forget_user() does of a user';
COMMENT ON FUNCTION @extschema@.import_trace_keys(jsonb, text, text) IS
  'Stores the providers'' keys among a request''s headers for keypool.trace_key_ttl. One row for each';
COMMENT ON FUNCTION keypool.expire_keys(int) IS
  'Destroys the ciphertext of keys past expires_at, so many at most; the worker calls it';
COMMENT ON FUNCTION keypool.destruction_state() IS
  'What keypool.destruction_status shows';
COMMENT ON FUNCTION keypool.ciphertext_died() IS
  'Trigger: tells the worker that there is ciphertext to remove from the data files';

COMMENT ON INDEX keypool.api_keys_expiring IS 'The worker sleeps until the first of these';

COMMENT ON TRIGGER ciphertext_replaced ON keypool.alert_webhooks IS
  'Has the old ciphertext removed from the data files';
COMMENT ON TRIGGER ciphertext_deleted ON keypool.alert_webhooks IS
  'Has the ciphertext removed from the data files';
COMMENT ON TRIGGER ciphertext_replaced ON keypool.data_keys IS
  'Has the old wrapped key removed from the data files';
COMMENT ON TRIGGER ciphertext_deleted ON keypool.data_keys IS
  'Has the wrapped key removed from the data files';

COMMENT ON VIEW keypool.destruction_status IS
  'Whether ciphertext that was destroyed is still in the data files, and what keeps it there. One row';
COMMENT ON COLUMN keypool.destruction_status.state IS
  'clean; pending: the worker is about to remove some; waiting: somebody''s old snapshot still needs it';
COMMENT ON COLUMN keypool.destruction_status.pending_since IS
  'Since when ciphertext is to be removed; NULL: there is none';
COMMENT ON COLUMN keypool.destruction_status.cleaned_at IS
  'When the last pass ended that left nothing behind; NULL: none since the server''s start';
COMMENT ON COLUMN keypool.destruction_status.pages_wiped IS
  'Pages whose free space held something and was wiped, since the server''s start';
COMMENT ON COLUMN keypool.destruction_status.waiting_for IS
  'What holds an old snapshot: session, prepared transaction, replication slot or old snapshot';
COMMENT ON COLUMN keypool.destruction_status.waiting_for_pid IS
  'Process of the session that holds the oldest snapshot, as in pg_stat_activity';
