-- What rotation is made of, in the catalogue.

COMMENT ON FUNCTION @extschema@.rotate_data_key() IS
  'Makes a new data key and answers its number. Secrets are sealed under it from now on; the background worker seals the others anew while everything goes on.';
COMMENT ON FUNCTION @extschema@.rotate_root_key() IS
  'Takes the newest root key into use, or makes one where that is a file of the server''s own, and says what it did.';
COMMENT ON FUNCTION keypool.reencryption_report() IS
  'What the background worker of this database says of re-encryption.';

COMMENT ON VIEW keypool.reencryption_progress IS
  'How far the data key''s and the root key''s last rotations have come in this database.';
COMMENT ON COLUMN keypool.reencryption_progress.what IS
  'data_key: keys and webhooks are sealed anew; root_key: data keys are rewrapped.';
COMMENT ON COLUMN keypool.reencryption_progress.data_key IS 'Number of the newest data key.';
COMMENT ON COLUMN keypool.reencryption_progress.root_key IS
  'Beginning of the public identifier of the newest root key that the worker has seen.';
COMMENT ON COLUMN keypool.reencryption_progress.state IS
  'running, pending (the worker has yet to begin), waiting (for transactions that write keys), blocked (something cannot be opened), settling (the old data key goes in a moment), unknown (no worker has looked) or done.';
COMMENT ON COLUMN keypool.reencryption_progress.total IS
  'What there is to do, estimated during the first pass; NULL when no worker has counted.';
COMMENT ON COLUMN keypool.reencryption_progress.done IS 'What is under the newest key.';
COMMENT ON COLUMN keypool.reencryption_progress.remaining IS 'What is not, as far as is known.';
COMMENT ON COLUMN keypool.reencryption_progress.failed IS
  'Of what remains, what cannot be opened: see last_error of keypool.worker_status.';
COMMENT ON COLUMN keypool.reencryption_progress.data_keys_in_use IS
  'Numbers of the data keys that are still kept; one when nothing is under way.';
COMMENT ON COLUMN keypool.reencryption_progress.started_at IS
  'When this worker, or the one before it in this run of the server, began.';
COMMENT ON COLUMN keypool.reencryption_progress.finished_at IS
  'When the older data keys were deleted; NULL after a restart of the server.';
COMMENT ON COLUMN keypool.reencryption_progress.estimated_end IS
  'When it will be done at the speed so far, while it runs.';

COMMENT ON VIEW keypool.keys_due_for_rotation IS
  'Keys that have a rotation_interval, those first whose secret is the longest overdue.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.key_id IS 'Id of the key.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.provider IS 'Its provider.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.name IS 'Its name.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.hint IS 'Its masked secret.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.owner IS
  'User or organization whose key it is; NULL for the system.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.key_source IS 'user, organization or system.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.age IS 'How old its secret is here.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.rotation_interval IS
  'How old the secret may get.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.due_at IS 'When it is to be replaced.';
COMMENT ON COLUMN keypool.keys_due_for_rotation.overdue IS 'Whether that time has come.';
