-- Comments on the price list, and on what sessions and traces cost.

COMMENT ON COLUMN keypool.model_prices.builtin IS
  'Row as installed. An edit clears it, and from then on pg_dump carries the row.';
COMMENT ON TRIGGER replace_builtin_price ON keypool.model_prices IS
  'Lets an inserted price take the place of the built-in one of the same model and date.';
COMMENT ON TRIGGER mark_price_edited ON keypool.model_prices IS
  'Clears builtin on an edited row, so that pg_dump carries it.';

COMMENT ON FUNCTION @extschema@.import_prices(jsonb)
IS 'Sets prices from the public LiteLLM price map, or from the models of an import document. Counts entries; what has no usable price is skipped, with a notice that says why.';
COMMENT ON FUNCTION @extschema@.reprice_requests(text, text, timestamptz, timestamptz, int)
IS 'Prices logged requests anew by the price list, where it priced them or nothing did; what was given stays. until is not included.';
COMMENT ON FUNCTION keypool.reprice(text, text, timestamptz, timestamptz, int)
IS 'Internal: the steps of reprice_requests().';
COMMENT ON FUNCTION keypool.pricing_statement(text)
IS 'Internal: the UPDATE that prices the rows of a partition, where a condition on them holds.';
COMMENT ON FUNCTION keypool.set_prices(text[], text[], bigint[], bigint[], bigint[], text[])
IS 'Internal: prices in nano-dollars per million tokens, from now on, or from ever where there was none.';
COMMENT ON FUNCTION keypool.replace_builtin_price()
IS 'Internal: trigger that lets a written price replace the built-in one of its model and date.';

COMMENT ON VIEW keypool.session_costs IS
  'What each session cost, straight from the log. Ask for a session_id; an index makes that fast.';
COMMENT ON COLUMN keypool.session_costs.session_id IS 'Session, as requests named it.';
COMMENT ON COLUMN keypool.session_costs.user_id IS
  'User it was made for; a session of several has a row for each.';
COMMENT ON COLUMN keypool.session_costs.organization_id IS
  'Organization it was made for; a session of several has a row for each.';
COMMENT ON COLUMN keypool.session_costs.first_request_at IS 'When its first request was made.';
COMMENT ON COLUMN keypool.session_costs.last_request_at IS 'When its last request was made.';
COMMENT ON COLUMN keypool.session_costs.requests IS 'How many requests it made.';
COMMENT ON COLUMN keypool.session_costs.errors IS 'How many of them failed.';
COMMENT ON COLUMN keypool.session_costs.tokens IS 'Tokens sent and received.';
COMMENT ON COLUMN keypool.session_costs.input_tokens IS 'Tokens sent, cached ones included.';
COMMENT ON COLUMN keypool.session_costs.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN keypool.session_costs.cached_tokens IS
  'Tokens sent that the provider had cached.';
COMMENT ON COLUMN keypool.session_costs.cost_usd IS
  'US dollars, of the requests whose cost is known; NULL when none is.';
COMMENT ON COLUMN keypool.session_costs.unpriced_requests IS
  'Requests whose cost is not known, and missing from cost_usd.';

COMMENT ON VIEW keypool.trace_costs IS
  'What each trace cost, straight from the log. Ask for a trace_id; an index makes that fast.';
COMMENT ON COLUMN keypool.trace_costs.trace_id IS 'Trace, as requests named it.';
COMMENT ON COLUMN keypool.trace_costs.user_id IS
  'User it was made for; a trace of several has a row for each.';
COMMENT ON COLUMN keypool.trace_costs.organization_id IS
  'Organization it was made for; a trace of several has a row for each.';
COMMENT ON COLUMN keypool.trace_costs.first_request_at IS 'When its first request was made.';
COMMENT ON COLUMN keypool.trace_costs.last_request_at IS 'When its last request was made.';
COMMENT ON COLUMN keypool.trace_costs.requests IS 'How many requests it made.';
COMMENT ON COLUMN keypool.trace_costs.errors IS 'How many of them failed.';
COMMENT ON COLUMN keypool.trace_costs.tokens IS 'Tokens sent and received.';
COMMENT ON COLUMN keypool.trace_costs.input_tokens IS 'Tokens sent, cached ones included.';
COMMENT ON COLUMN keypool.trace_costs.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN keypool.trace_costs.cached_tokens IS
  'Tokens sent that the provider had cached.';
COMMENT ON COLUMN keypool.trace_costs.cost_usd IS
  'US dollars, of the requests whose cost is known; NULL when none is.';
COMMENT ON COLUMN keypool.trace_costs.unpriced_requests IS
  'Requests whose cost is not known, and missing from cost_usd.';
