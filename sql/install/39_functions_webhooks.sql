-- Webhooks: storing one without a trace of its secret.

CREATE FUNCTION @extschema@.add_webhook(
  url text, secret text, events text[] = NULL, description text = NULL, enabled bool = true)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_add_webhook';

CREATE FUNCTION keypool.guard_webhook()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_guard_webhook';
