-- The audit log. Written by our own code alone, at the end of the transaction it tells of, or by the
-- worker; each entry holds the hash of the one before.

CREATE TABLE keypool.audit_log (
  -- Without a gap from the first on, which is a moment in microseconds since 2000: a log that was
  -- restored never meets one that was begun elsewhere.
  id             bigint PRIMARY KEY,
  at             timestamptz NOT NULL,
  action         text NOT NULL,
  outcome        text NOT NULL CHECK (outcome IN ('ok', 'failed', 'denied')),
  session_role   text,
  acting_role    text,
  client_address text,
  application    text,
  key_id         bigint,
  provider       text,
  times          bigint NOT NULL CHECK (times > 0),
  details        jsonb,
  previous_hash  bytea,
  hash           bytea NOT NULL
);
CREATE INDEX audit_log_key ON keypool.audit_log (key_id, at) WHERE key_id IS NOT NULL;
CREATE INDEX audit_log_at ON keypool.audit_log USING brin (at);
-- What verify_audit_log() begins with.
CREATE INDEX audit_log_pruned ON keypool.audit_log (id) WHERE action = 'audit_pruned';

SELECT pg_catalog.pg_extension_config_dump('keypool.audit_log', '');
