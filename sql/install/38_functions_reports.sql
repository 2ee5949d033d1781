-- How well requests are tracked, as documents for programs and chat bots. STABLE: they read tables
-- in the snapshot of the statement that calls them, and change with now() alone.

CREATE FUNCTION @extschema@.api_key_tracking_quality_report(hours int = 24)
RETURNS jsonb
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_api_key_tracking_quality_report';

CREATE FUNCTION @extschema@.api_key_tracking_trend_report(days int = 7)
RETURNS jsonb
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_api_key_tracking_trend_report';
