-- Logging requests and knowing what they cost. Written in C.
--
-- Like the choice of a key, without a SET clause: logging through a function has to be cheaper than
-- the INSERT it stands for. The names of the arguments are those of the log's columns.

CREATE FUNCTION @extschema@.log_request(
  provider text, model text, user_id text = NULL, organization_id text = NULL,
  api_key_id bigint = NULL, api_key text = NULL, lease_id bigint = NULL, input_tokens int = 0,
  output_tokens int = 0, cached_tokens int = 0, cost_usd numeric = NULL,
  processing_time_ms int = NULL, status text = 'completed', http_status int = NULL,
  error_type text = NULL, error_message text = NULL, request_id text = NULL,
  session_id text = NULL, trace_id text = NULL, is_anonymous bool = NULL,
  created_at timestamptz = now(), metadata jsonb = NULL, attempt int = 1,
  headers jsonb = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_log_request';

CREATE FUNCTION @extschema@.log_requests(requests jsonb)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_log_requests';

-- VOLATILE: asks the pool for the provider's name, and the prices as they are now, which a
-- statement that runs for long may see change.
CREATE FUNCTION @extschema@.estimate_cost(
  provider text, model text, input_tokens int, output_tokens int = 0, cached_tokens int = 0)
RETURNS numeric
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_estimate_cost';

CREATE FUNCTION @extschema@.dev_key()
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_dev_key';

CREATE FUNCTION keypool.prices_changed()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_prices_changed';

-- By row, because logical replication applies rows without firing statement triggers; TRUNCATE
-- sends the same message by itself.
CREATE TRIGGER prices_changed
  AFTER INSERT OR UPDATE OR DELETE ON keypool.model_prices
  FOR EACH ROW EXECUTE FUNCTION keypool.prices_changed();
ALTER TABLE keypool.model_prices ENABLE ALWAYS TRIGGER prices_changed;
