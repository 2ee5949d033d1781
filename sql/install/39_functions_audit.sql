-- The audit log: whether it is as it was written, and what keeps it so.

CREATE FUNCTION keypool.audit_hash(
  previous_hash bytea, id bigint, at timestamptz, action text, outcome text, session_role text,
  acting_role text, client_address text, application text, key_id bigint, provider text,
  times bigint, details jsonb)
RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_audit_hash';

-- In the order of the primary key, so that neither memory nor a file holds the log a second time.
CREATE FUNCTION @extschema@.verify_audit_log(
  known_id bigint = NULL, known_hash bytea = NULL,
  OUT ok boolean, OUT entries bigint, OUT first_break bigint, OUT problem text,
  OUT head_id bigint, OUT head_hash bytea)
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET enable_sort = off
SET enable_seqscan = off
AS $$
  WITH pruned AS (
    SELECT (l.details->>'last_id')::bigint AS last_id,
           decode(l.details->>'last_hash', 'hex') AS last_hash
    FROM keypool.audit_log l WHERE l.action = 'audit_pruned' ORDER BY l.id DESC LIMIT 1
  ), linked AS (
    SELECT l.id, l.hash, l.previous_hash,
           lag(l.id) OVER chain AS before_id, lag(l.hash) OVER chain AS before_hash,
           keypool.audit_hash(l.previous_hash, l.id, l.at, l.action, l.outcome, l.session_role,
             l.acting_role, l.client_address, l.application, l.key_id, l.provider, l.times,
             l.details) AS true_hash
    FROM keypool.audit_log l
    WINDOW chain AS (ORDER BY l.id)
  ), judged AS (
    SELECT l.id, CASE
        WHEN l.hash <> l.true_hash THEN format('entry %s was changed', l.id)
        -- The log of another installation begins.
        WHEN l.previous_hash IS NULL THEN NULL
        WHEN l.before_id IS NULL AND l.previous_hash = p.last_hash AND l.id = p.last_id + 1 THEN NULL
        WHEN l.before_id IS NULL THEN format('the entries before %s are missing', l.id)
        WHEN l.id > l.before_id + 1
          THEN format('entries %s to %s are missing', l.before_id + 1, l.id - 1)
        WHEN l.previous_hash <> l.before_hash
          THEN format('entry %s does not follow entry %s: that one was replaced', l.id, l.before_id)
      END AS problem
    FROM linked l LEFT JOIN pruned p ON true
  ), found AS (
    SELECT count(*) AS entries, max(j.id) AS head_id, min(j.id) FILTER (WHERE j.problem <> '') AS at,
           min(to_char(j.id, 'FM0000000000000000000') || j.problem COLLATE "C") AS first
    FROM judged j
  ), known AS (
    SELECT CASE
        WHEN known_id <= p.last_id THEN
          CASE WHEN known_id = p.last_id AND known_hash <> p.last_hash
            THEN format('entry %s was not the one that is known', known_id) END
        WHEN l.id IS NULL THEN format('entry %s is missing, and whatever followed it', known_id)
        WHEN l.hash <> known_hash THEN format('entry %s is not the one that is known', known_id)
      END AS problem
    FROM (SELECT) AS one
    LEFT JOIN pruned p ON true
    LEFT JOIN keypool.audit_log l ON l.id = known_id
    WHERE known_id IS NOT NULL
  )
  SELECT f.at IS NULL AND k.problem IS NULL, f.entries,
         coalesce(f.at, CASE WHEN k.problem IS NOT NULL THEN known_id END),
         coalesce(substr(f.first, 20), k.problem),
         f.head_id, (SELECT l.hash FROM keypool.audit_log l WHERE l.id = f.head_id)
  FROM found f LEFT JOIN known k ON true
$$;

CREATE FUNCTION keypool.guard_audit_log()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_guard_audit_log';

CREATE FUNCTION keypool.note_row_change()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_note_row_change';

CREATE FUNCTION keypool.note_access(action text, details jsonb)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_note_access';

-- For the worker; drops what keypool.audit_retention allows and nothing else.
CREATE FUNCTION keypool.prune_audit_log()
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_prune_audit_log';
