-- A gateway's table of requests; psql variable `count`: its rows.
CREATE TABLE IF NOT EXISTS requests.source (
  id bigint PRIMARY KEY, request_id text, user_id bigint, api_key_id bigint, model text,
  input_tokens int, output_tokens int, total_tokens int, processing_time_ms int, status text,
  error_message text, cost_usd numeric, created_at timestamptz, updated_at timestamptz,
  is_streaming boolean);
TRUNCATE requests.source;
INSERT INTO requests.source
SELECT n, 'req-' || n, nullif(n % 1000, 0), nullif(n % 50, 0), 'model-' || n % 6, n % 2000, n % 500,
       n % 2000 + n % 500, n % 3000, 'completed', NULL, n % 100 * 0.0001,
       now() - interval '20 days' + n * interval '20 days' / :count, now(), n % 2 = 0
FROM generate_series(1, :count) AS n;
VACUUM ANALYZE requests.source;

CREATE OR REPLACE FUNCTION requests.copy_by_hand() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  copied bigint;
BEGIN
  INSERT INTO keypool.chat_completion_requests
    (request_id, user_id, api_key_id, model, input_tokens, output_tokens, processing_time_ms,
     status, error_message, cost_usd, created_at)
  SELECT request_id, user_id, api_key_id, model, input_tokens, output_tokens, processing_time_ms,
         status, error_message, cost_usd, created_at
  FROM requests.source;
  GET DIAGNOSTICS copied = ROW_COUNT;
  RETURN copied;
END
$$;
