-- Keys: storing, changing, checking. Written in C, which pins its own search path where it runs
-- SQL.
--
-- STRICT only where a NULL argument can but mean a NULL answer; elsewhere C says what is missing.
-- All are PARALLEL UNSAFE: to follow the tables they take a new snapshot, which parallel mode
-- forbids.

CREATE FUNCTION @extschema@.add_key(
  provider text, secret text, name text = NULL, user_id text = NULL, organization_id text = NULL,
  rate_limit int = NULL, requests_per_minute int = NULL, tokens_per_minute int = NULL,
  max_concurrency int = NULL, daily_cost_limit numeric = NULL, weight float8 = 1,
  models text[] = NULL, region text = NULL, base_url text = NULL, expires_at timestamptz = NULL,
  enabled bool = true, rotation_interval interval = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_add_key';

CREATE FUNCTION @extschema@.rotate_key(key_id bigint, secret text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_rotate_key';

CREATE FUNCTION @extschema@.revoke_key(key_id bigint, reason text = NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_revoke_key';

CREATE FUNCTION @extschema@.import_keys(config jsonb)
RETURNS TABLE (provider text, name text, key_id bigint, action text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'keypool_import_keys';

CREATE FUNCTION @extschema@.import_env_keys()
RETURNS TABLE (provider text, name text, key_id bigint, action text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'keypool_import_env_keys';

CREATE FUNCTION @extschema@.resolve_key(secret text)
RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_resolve_key';

CREATE FUNCTION @extschema@.validate_key(provider text, secret text)
RETURNS TABLE (check_name text, ok bool, detail text)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 5 AS 'MODULE_PATHNAME', 'keypool_validate_key';

CREATE FUNCTION @extschema@.check_key(key_id bigint)
RETURNS TABLE (key_id bigint, healthy bool, status text, http_status int, latency_ms int,
               error text, checked_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'keypool_check_key';

CREATE FUNCTION @extschema@.check_keys(provider text = NULL)
RETURNS TABLE (key_id bigint, healthy bool, status text, http_status int, latency_ms int,
               error text, checked_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'keypool_check_keys';
