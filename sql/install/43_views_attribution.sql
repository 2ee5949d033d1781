-- What a session and a trace cost: straight over the log, for there are about as many of them as
-- requests. A look-up by id reaches an index on the log, where there is one (docs/prices.md).
--
-- A row for each for whom it was made: ids of different users may be the same. No title and no
-- message is shown.

CREATE VIEW keypool.session_costs AS
SELECT
  r.session_id,
  r.user_id,
  r.organization_id,
  min(r.created_at) AS first_request_at,
  max(r.created_at) AS last_request_at,
  count(*) AS requests,
  count(*) FILTER (WHERE r.error_type IS NOT NULL OR r.http_status >= 400
                      OR r.status IN ('failed', 'error')) AS errors,
  sum(r.input_tokens::bigint + r.output_tokens)::bigint AS tokens,
  sum(r.input_tokens::bigint)::bigint AS input_tokens,
  sum(r.output_tokens::bigint)::bigint AS output_tokens,
  sum(r.cached_tokens::bigint)::bigint AS cached_tokens,
  trim_scale(sum(r.cost_usd)) AS cost_usd,
  count(*) FILTER (WHERE r.cost_usd IS NULL) AS unpriced_requests
FROM keypool.chat_completion_requests r
WHERE r.session_id IS NOT NULL
GROUP BY 1, 2, 3;

CREATE VIEW keypool.trace_costs AS
SELECT
  r.trace_id,
  r.user_id,
  r.organization_id,
  min(r.created_at) AS first_request_at,
  max(r.created_at) AS last_request_at,
  count(*) AS requests,
  count(*) FILTER (WHERE r.error_type IS NOT NULL OR r.http_status >= 400
                      OR r.status IN ('failed', 'error')) AS errors,
  sum(r.input_tokens::bigint + r.output_tokens)::bigint AS tokens,
  sum(r.input_tokens::bigint)::bigint AS input_tokens,
  sum(r.output_tokens::bigint)::bigint AS output_tokens,
  sum(r.cached_tokens::bigint)::bigint AS cached_tokens,
  trim_scale(sum(r.cost_usd)) AS cost_usd,
  count(*) FILTER (WHERE r.cost_usd IS NULL) AS unpriced_requests
FROM keypool.chat_completion_requests r
WHERE r.trace_id IS NOT NULL
GROUP BY 1, 2, 3;
