-- What the views and triggers stand on. Written in C, except where the catalog is the subject.
--
-- The pool's functions are VOLATILE: shared memory changes while a statement runs. They answer for
-- the current database only and hold nothing secret, since a view's reader must be able to call
-- them.

CREATE FUNCTION keypool.pool_keys()
RETURNS TABLE (
  key_id bigint, state text, available bool, reason text, cooldown_until timestamptz,
  failure_class text, failure_streak int, last_error text, picks bigint, requests bigint,
  errors bigint, tokens bigint, cost_today numeric, cost_total numeric, in_flight int,
  requests_hour bigint, requests_minute bigint, tokens_minute bigint, latency_ms float8,
  last_used_at timestamptz, last_checked_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'keypool_pool_keys';

CREATE FUNCTION keypool.pool_providers()
RETURNS TABLE (provider text, backoff_until timestamptz, outage bool,
               latency_p50_ms float8, latency_p95_ms float8)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'keypool_pool_providers';

CREATE FUNCTION keypool.worker_state()
RETURNS TABLE (
  pid int, state text, started_at timestamptz, last_cycle_at timestamptz, keys_watched bigint,
  checks_done bigint, checks_failed bigint, checks_in_flight int, pool_keys int, pool_slots int,
  evictions bigint, last_error text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'keypool_worker_state';

CREATE FUNCTION keypool.keys_changed()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_keys_changed';

CREATE FUNCTION keypool.key_state_written()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_key_state_written';

CREATE FUNCTION keypool.guard_api_key()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_guard_api_key';

CREATE FUNCTION keypool.request_logged()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_request_logged';

CREATE FUNCTION keypool.request_versioned()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_request_versioned';

CREATE FUNCTION keypool.replace_builtin_provider()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE keypool.providers p
     SET (display_name, aliases, base_url, auth_style, check_path, key_pattern, header_names,
          env_names, strategy, rotation_interval, fallback_order, health_check, enabled, builtin)
       = (NEW.display_name, NEW.aliases, NEW.base_url, NEW.auth_style, NEW.check_path,
          NEW.key_pattern, NEW.header_names, NEW.env_names, NEW.strategy, NEW.rotation_interval,
          NEW.fallback_order, NEW.health_check, NEW.enabled, NEW.builtin)
   WHERE p.name = NEW.name AND p.builtin;
  IF FOUND THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END
$$;

CREATE FUNCTION keypool.mark_edited()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.builtin := false;
  RETURN NEW;
END
$$;

CREATE FUNCTION keypool.extension_members()
RETURNS TABLE (kind text, name text, identity text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE o.type WHEN 'view' THEN 'TABLE' ELSE upper(o.type) END,
         coalesce(f.proname, c.relname, n.nspname)::text,
         o.identity
  FROM pg_extension e
  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  AND d.deptype = 'e'
  LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
  CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) AS o
  WHERE e.extname = 'pg_keypool'
    AND o.type IN ('function', 'table', 'view', 'sequence', 'schema')
$$;
