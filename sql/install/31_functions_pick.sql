-- Choosing a key and saying how it went. Written in C.
--
-- No SET clause and no SECURITY DEFINER: either costs more than the pick itself. These functions
-- resolve no name, and act as the tables' owner only around the few reads that need it.

CREATE FUNCTION @extschema@.pick_key(
  provider text, user_id text = NULL, organization_id text = NULL, model text = NULL,
  region text = NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_pick_key';

-- A type of its own: the columns of OUT arguments are looked up twice in each call, which takes a
-- quarter of it.
CREATE TYPE keypool.acquired_key AS (
  lease_id bigint, key_id bigint, key_name text, provider text, key_source text, strategy text,
  secret text, base_url text, model text, tried jsonb);

CREATE FUNCTION @extschema@.acquire_key(
  provider text, user_id text = NULL, organization_id text = NULL, model text = NULL,
  estimated_tokens int = NULL, estimated_cost numeric = NULL, exclude bigint[] = NULL,
  fallback bool = false, strategy text = NULL, region text = NULL, cheaper_first bool = false)
RETURNS keypool.acquired_key
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_acquire_key';

CREATE FUNCTION @extschema@.release_key(lease_id bigint)
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_release_key';

CREATE FUNCTION @extschema@.explain_pick(
  provider text, user_id text = NULL, organization_id text = NULL, model text = NULL,
  estimated_tokens int = NULL, estimated_cost numeric = NULL, exclude bigint[] = NULL,
  fallback bool = false, strategy text = NULL, region text = NULL, cheaper_first bool = false)
RETURNS TABLE ("position" int, key_id bigint, key_name text, provider text, key_source text,
               eligible bool, reason text, score float8)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'keypool_explain_pick';

CREATE FUNCTION @extschema@.available_providers(user_id text = NULL, organization_id text = NULL)
RETURNS TABLE (provider text, key_source text, keys int)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'keypool_available_providers';

CREATE FUNCTION @extschema@.mark_key_error(
  key_id bigint, error_type text, http_status int = NULL, retry_after interval = NULL,
  headers jsonb = NULL, message text = NULL, model text = NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_mark_key_error';

CREATE FUNCTION @extschema@.mark_key_success(
  key_id bigint, latency_ms int = NULL, headers jsonb = NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_mark_key_success';

CREATE FUNCTION @extschema@.get_usage_stats(provider text)
RETURNS jsonb
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_get_usage_stats';
