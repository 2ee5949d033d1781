-- What the audit log and its functions are for.

COMMENT ON TABLE keypool.audit_log IS
  'Who did what to which key, when, and what came of it. Added to only; see verify_audit_log().';
COMMENT ON COLUMN keypool.audit_log.id IS
  'Follows that of the entry before. The first is the moment it was written, in microseconds since 2000.';
COMMENT ON COLUMN keypool.audit_log.at IS
  'When it was done; for picks that are counted together, when the first of them was.';
COMMENT ON COLUMN keypool.audit_log.action IS
  'The function that was called, or what plain SQL did (update_key, insert_provider, ...); pick for keys handed out, check for keys that the worker opened to check them.';
COMMENT ON COLUMN keypool.audit_log.outcome IS
  'ok, denied (refused for lack of permission), or failed; details.sqlstate says why.';
COMMENT ON COLUMN keypool.audit_log.session_role IS
  'The role that the session was opened or authorized as; NULL when not known.';
COMMENT ON COLUMN keypool.audit_log.acting_role IS
  'The role taken on with SET ROLE, or that of the session; NULL when not known.';
COMMENT ON COLUMN keypool.audit_log.client_address IS
  'Where the client connected from; NULL for a local socket, and for the server''s own processes.';
COMMENT ON COLUMN keypool.audit_log.application IS
  'application_name as the client had set it, with anything taken out that looks like a key.';
COMMENT ON COLUMN keypool.audit_log.key_id IS 'The key it was done to; NULL for none, or several.';
COMMENT ON COLUMN keypool.audit_log.provider IS 'The provider it was done to or with; NULL for none.';
COMMENT ON COLUMN keypool.audit_log.times IS
  'How many times: picks and failed attempts of a caller are counted by the second.';
COMMENT ON COLUMN keypool.audit_log.details IS
  'What changed, which keys were picked how often (keys), up to when (until). Never a secret.';
COMMENT ON COLUMN keypool.audit_log.previous_hash IS
  'The hash of the entry before; NULL where a log begins.';
COMMENT ON COLUMN keypool.audit_log.hash IS
  'SHA-256 of previous_hash and this entry; docs/audit.md says of what exactly.';

COMMENT ON TRIGGER guard_audit_log ON keypool.audit_log IS
  'Refuses changes of entries, whoever asks.';
COMMENT ON TRIGGER guard_audit_log_truncate ON keypool.audit_log IS
  'Refuses TRUNCATE, whoever asks.';

COMMENT ON FUNCTION @extschema@.verify_audit_log(bigint, bytea) IS
  'Whether the audit log is as it was written: recomputes every hash and names the first entry that was changed, replaced or taken away. With the id and hash of an entry that was noted elsewhere, also whether that one is still there, and so whether the end was cut off.';
COMMENT ON FUNCTION keypool.audit_hash(bytea, bigint, timestamptz, text, text, text, text, text,
  text, bigint, text, bigint, jsonb) IS 'The hash of an entry of the audit log.';
COMMENT ON FUNCTION keypool.guard_audit_log() IS
  'Trigger function: entries of the audit log are only ever added.';
COMMENT ON FUNCTION keypool.note_row_change() IS
  'Trigger function: tells the audit log of rows that were written or deleted.';
COMMENT ON FUNCTION keypool.note_access(text, jsonb) IS
  'Tells the audit log that access was granted or revoked.';
COMMENT ON FUNCTION keypool.prune_audit_log() IS
  'Drops the oldest entries that keypool.audit_retention no longer keeps, and notes up to where. The worker calls it.';
