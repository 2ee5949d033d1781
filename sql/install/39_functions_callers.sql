-- The limits of callers: what sessions remember of them, and what is counted.

-- VOLATILE: shared memory changes while a statement runs. Of this database only.
CREATE FUNCTION keypool.caller_meters()
RETURNS TABLE (
  scope text, name text, picks_minute bigint, picks_hour bigint, picks_per_minute int,
  picks_per_hour int, free_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'keypool_caller_meters';

CREATE FUNCTION keypool.caller_limits_changed()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_caller_limits_changed';
