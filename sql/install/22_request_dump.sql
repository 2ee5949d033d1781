-- How the request log gets into a dump. pg_dump leaves out the rows of a partitioned table that
-- belongs to an extension, and partitions belong to it too: they come and go with the days, and a
-- dump that recreated them would meet those that CREATE EXTENSION has just made.
--
-- So the log is dumped under the name of this table. pg_dump appends the condition registered below
-- to its SELECT as it stands, in COPY and in --inserts mode alike. Restored, each row is passed on
-- to the log by a trigger, and nothing ever stays here. The column xid is left out: it names a
-- transaction of the cluster that was dumped.

CREATE TABLE keypool.request_dump (
  id                  bigint,
  created_at          timestamptz,
  provider            text,
  model               text,
  user_id             text,
  organization_id     text,
  api_key_id          bigint,
  api_key_fingerprint bytea,
  key_source          text,
  is_anonymous        boolean,
  lease_id            bigint,
  input_tokens        int,
  output_tokens       int,
  cached_tokens       int,
  cost_usd            numeric(18, 9),
  input_cost_usd      numeric(18, 9),
  output_cost_usd     numeric(18, 9),
  pricing_source      text,
  processing_time_ms  int,
  status              text,
  http_status         int,
  error_type          text,
  error_message       text,
  request_id          text,
  attempt             int,
  session_id          text,
  trace_id            text,
  lookup_attempts     smallint,
  lookup_status       text,
  metadata            jsonb
);

SELECT pg_catalog.pg_extension_config_dump('keypool.request_dump',
  'WHERE false UNION ALL'
  ' SELECT id, created_at, provider, model, user_id, organization_id, api_key_id,'
  ' api_key_fingerprint, key_source, is_anonymous, lease_id, input_tokens, output_tokens,'
  ' cached_tokens, cost_usd, input_cost_usd, output_cost_usd, pricing_source,'
  ' processing_time_ms, status, http_status, error_type, error_message, request_id, attempt,'
  ' session_id, trace_id, lookup_attempts, lookup_status, metadata'
  ' FROM keypool.chat_completion_requests');

-- The keys' counters come back with keypool.key_state: counting the rows again would double them.
-- Days that the log has no partition for get one on the way, so that a restored log is cut into
-- days as the dumped one was.
CREATE FUNCTION keypool.restore_request()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET keypool.count_requests = off
AS $$
DECLARE
  day CONSTANT date := (NEW.created_at AT TIME ZONE 'UTC')::date;
BEGIN
  IF to_regclass('keypool.' || keypool.request_partition_name(day)) IS NULL THEN
    PERFORM keypool.make_request_partition(day, patient => true);
  END IF;
  INSERT INTO keypool.chat_completion_requests (
    id, created_at, provider, model, user_id, organization_id, api_key_id, api_key_fingerprint,
    key_source, is_anonymous, lease_id, input_tokens, output_tokens, cached_tokens, cost_usd,
    input_cost_usd, output_cost_usd, pricing_source, processing_time_ms, status, http_status,
    error_type, error_message, request_id, attempt, session_id, trace_id, lookup_attempts,
    lookup_status, metadata)
  VALUES (
    NEW.id, NEW.created_at, NEW.provider, NEW.model, NEW.user_id, NEW.organization_id,
    NEW.api_key_id, NEW.api_key_fingerprint, NEW.key_source, NEW.is_anonymous, NEW.lease_id,
    NEW.input_tokens, NEW.output_tokens, NEW.cached_tokens, NEW.cost_usd, NEW.input_cost_usd,
    NEW.output_cost_usd, NEW.pricing_source, NEW.processing_time_ms, NEW.status, NEW.http_status,
    NEW.error_type, NEW.error_message, NEW.request_id, NEW.attempt, NEW.session_id, NEW.trace_id,
    NEW.lookup_attempts, NEW.lookup_status, NEW.metadata);
  RETURN NULL;
END
$$;

-- Restores often run as replica: hence ALWAYS.
CREATE TRIGGER restore_request
  BEFORE INSERT ON keypool.request_dump
  FOR EACH ROW EXECUTE FUNCTION keypool.restore_request();
ALTER TABLE keypool.request_dump ENABLE ALWAYS TRIGGER restore_request;
