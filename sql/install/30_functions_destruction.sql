-- The end of keys: owners forgotten, time run out, keys that came with a request. Written in C,
-- which pins its own search path where it runs SQL.

CREATE FUNCTION @extschema@.forget_user(user_id text)
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_forget_user';

CREATE FUNCTION @extschema@.forget_organization(organization_id text)
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_forget_organization';

CREATE FUNCTION @extschema@.import_trace_keys(
  headers jsonb, user_id text = NULL, organization_id text = NULL)
RETURNS TABLE (provider text, name text, key_id bigint, action text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2 AS 'MODULE_PATHNAME', 'keypool_import_trace_keys';

-- The worker calls it.
CREATE FUNCTION keypool.expire_keys(most int)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_expire_keys';

CREATE FUNCTION keypool.destruction_state()
RETURNS TABLE (pending_since timestamptz, cleaned_at timestamptz, pages_wiped bigint,
               waiting_for text, waiting_for_pid int)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'keypool_destruction_state';

CREATE FUNCTION keypool.ciphertext_died()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_ciphertext_died';

-- Of the keys that will expire, the first.
CREATE INDEX api_keys_expiring ON keypool.api_keys (expires_at)
  WHERE revoked_at IS NULL AND expires_at < 'infinity';

-- What lay on a page that is cut off the end of a file cannot be wiped any more.
ALTER TABLE keypool.api_keys SET (vacuum_truncate = off, toast.vacuum_truncate = off);
ALTER TABLE keypool.data_keys SET (vacuum_truncate = off, toast.vacuum_truncate = off);
ALTER TABLE keypool.alert_webhooks SET (vacuum_truncate = off, toast.vacuum_truncate = off);
