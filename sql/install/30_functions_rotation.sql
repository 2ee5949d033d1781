-- New keys for the keys: docs/rotation.md.

CREATE FUNCTION @extschema@.rotate_data_key()
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_rotate_data_key';

CREATE FUNCTION @extschema@.rotate_root_key()
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_rotate_root_key';

-- What the worker says, one row even when none has looked yet.
CREATE FUNCTION keypool.reencryption_report()
RETURNS TABLE (state text, data_key int, done bigint, remaining bigint, failed bigint,
               started_at timestamptz, finished_at timestamptz, root_key text, root_failed bool)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'keypool_reencryption_report';
