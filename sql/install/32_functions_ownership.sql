-- Keys and requests of one's own: whom the session acts for, and what that user may do. Written in
-- C, which acts as the tables' owner where it runs SQL. docs/ownership.md says whose word counts.

-- Asked by row-level security once a query, also of parallel ones: they read settings and
-- privileges, and take no snapshot.
CREATE FUNCTION @extschema@.current_keypool_user()
RETURNS text
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'keypool_current_keypool_user';

CREATE FUNCTION keypool.sees_all_users()
RETURNS boolean
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'keypool_sees_all_users';

-- No base_url: the worker sends the key there, and where this server connects to is not for end
-- users to say.
CREATE FUNCTION @extschema@.add_my_key(
  provider text, secret text, name text = NULL, models text[] = NULL, region text = NULL,
  expires_at timestamptz = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_add_my_key';

CREATE FUNCTION @extschema@.my_keys()
RETURNS TABLE (
  key_id bigint, provider text, name text, hint text, state text, available boolean,
  cooldown_until timestamptz, requests bigint, errors bigint, tokens bigint, cost_today numeric,
  cost_total numeric, models text[], region text, last_used_at timestamptz,
  last_checked_at timestamptz, last_error text, expires_at timestamptz, created_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5 AS 'MODULE_PATHNAME', 'keypool_my_keys';

CREATE FUNCTION @extschema@.revoke_my_key(key_id bigint, reason text = NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_revoke_my_key';

CREATE FUNCTION @extschema@.my_usage(days int = 30)
RETURNS TABLE (
  day date, provider text, model text, key_source text, requests bigint, errors bigint,
  tokens bigint, input_tokens bigint, output_tokens bigint, cached_tokens bigint,
  cost_usd numeric, unpriced_requests bigint)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 30 AS 'MODULE_PATHNAME', 'keypool_my_usage';
