-- Folding the request log into its rollups, and the tail that is not folded yet.
--
-- docs/exactness.md says what is added up, and why nothing is ever counted twice or not at all.

-- STABLE: reads tables, in the snapshot of the statement that calls it. A group may come in several
-- rows. `below` NULL: everything the snapshot sees.
CREATE FUNCTION keypool.unfolded_requests(below xid8 = NULL)
RETURNS TABLE (
  bucket timestamptz, provider text, model text, user_id text, organization_id text,
  api_key_id bigint, key_source text, is_anonymous bool, requests bigint, errors bigint,
  input_tokens bigint, output_tokens bigint, cached_tokens bigint, cost_nano bigint,
  unpriced bigint, timed bigint, time_ms bigint)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'keypool_unfolded_requests';

-- Folds what is settled, at least `most` rows if there are so many (NULL: all).
CREATE FUNCTION keypool.fold_requests(most bigint = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_fold_requests';

-- Empties the rollups; the next folds build them again out of the log.
CREATE FUNCTION keypool.rebuild_rollups()
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_rebuild_rollups';

CREATE FUNCTION keypool.requests_truncated()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_requests_truncated';
