-- What \d+ and \df+ say of the request log, of prices, and of the functions that write and price
-- requests.

COMMENT ON TABLE keypool.chat_completion_requests IS
  'Requests made to providers, by UTC day. log_request() and plain INSERT write it.';
COMMENT ON COLUMN keypool.chat_completion_requests.id IS 'Id of the request; rising, with gaps.';
COMMENT ON COLUMN keypool.chat_completion_requests.created_at IS
  'When it was made. Says which day''s partition the row is in.';
COMMENT ON COLUMN keypool.chat_completion_requests.xid IS
  'Transaction that wrote this version of the row; kept true by a trigger. Leave it out.';
COMMENT ON COLUMN keypool.chat_completion_requests.provider IS 'Provider that was asked.';
COMMENT ON COLUMN keypool.chat_completion_requests.model IS 'Model that was asked for.';
COMMENT ON COLUMN keypool.chat_completion_requests.user_id IS
  'User it was made for; log_request() takes the key''s owner when none is given.';
COMMENT ON COLUMN keypool.chat_completion_requests.organization_id IS
  'Organization it was made for; log_request() takes the key''s owner when none is given.';
COMMENT ON COLUMN keypool.chat_completion_requests.api_key_id IS
  'Key that served it. Stays when the key goes.';
COMMENT ON COLUMN keypool.chat_completion_requests.api_key_fingerprint IS
  'Keyed hash of the key it came with, while no stored key is known by it.';
COMMENT ON COLUMN keypool.chat_completion_requests.key_source IS
  'Whose key: user, organization or system; anonymous when nobody is known on purpose.';
COMMENT ON COLUMN keypool.chat_completion_requests.is_anonymous IS
  'Nobody is known who made it, and that is as it should be. False without a key: a lookup failed.';
COMMENT ON COLUMN keypool.chat_completion_requests.lease_id IS 'Lease that this request settled.';
COMMENT ON COLUMN keypool.chat_completion_requests.input_tokens IS
  'Tokens sent, cached ones included.';
COMMENT ON COLUMN keypool.chat_completion_requests.output_tokens IS 'Tokens that came back.';
COMMENT ON COLUMN keypool.chat_completion_requests.cached_tokens IS
  'Those of input_tokens that the provider had in its cache.';
COMMENT ON COLUMN keypool.chat_completion_requests.cost_usd IS
  'What it cost, in US dollars; NULL when that is unknown, which is not zero.';
COMMENT ON COLUMN keypool.chat_completion_requests.input_cost_usd IS
  'Share of the input in the cost, when it was computed from prices.';
COMMENT ON COLUMN keypool.chat_completion_requests.output_cost_usd IS
  'Share of the output in the cost, when it was computed from prices.';
COMMENT ON COLUMN keypool.chat_completion_requests.pricing_source IS
  'Where the cost is from: given, model_prices or unknown; NULL: from nobody who said so.';
COMMENT ON COLUMN keypool.chat_completion_requests.processing_time_ms IS
  'How long it took, in milliseconds; NULL when not measured.';
COMMENT ON COLUMN keypool.chat_completion_requests.status IS
  'How it ended: completed, or whatever the application says. failed and error count as errors.';
COMMENT ON COLUMN keypool.chat_completion_requests.http_status IS
  'HTTP status of the provider''s answer; 400 and above count as errors. NULL: not told.';
COMMENT ON COLUMN keypool.chat_completion_requests.error_type IS
  'The provider''s word for what went wrong. With one, the request counts as an error.';
COMMENT ON COLUMN keypool.chat_completion_requests.error_message IS
  'What the provider wrote; log_request() takes secrets out of it and cuts it to 8 KiB.';
COMMENT ON COLUMN keypool.chat_completion_requests.request_id IS
  'The application''s id of the request. With attempt it makes a repeated log_request() harmless.';
COMMENT ON COLUMN keypool.chat_completion_requests.attempt IS
  'Which try of that request this was; the first is 1.';
COMMENT ON COLUMN keypool.chat_completion_requests.session_id IS
  'The application''s id of the session or conversation.';
COMMENT ON COLUMN keypool.chat_completion_requests.trace_id IS 'Id of the trace it is part of.';
COMMENT ON COLUMN keypool.chat_completion_requests.lookup_attempts IS
  'How often the worker has looked for the key of this fingerprint.';
COMMENT ON COLUMN keypool.chat_completion_requests.lookup_status IS
  'What came of it: found or failed; NULL: it was not needed, or is not over.';
COMMENT ON COLUMN keypool.chat_completion_requests.metadata IS
  'Whatever the application adds, up to 1 MiB; kept as it is.';

COMMENT ON TABLE keypool.chat_completion_requests_default IS
  'Requests of days that have no partition of their own: none is ever refused for its time.';
-- A partition has the columns of the whole.
DO $$
DECLARE
  target record;
BEGIN
  FOR target IN
    SELECT a.attname, col_description(a.attrelid, a.attnum) AS words
    FROM pg_attribute a
    WHERE a.attrelid = 'keypool.chat_completion_requests'::regclass AND a.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN keypool.chat_completion_requests_default.%I IS %L',
                   target.attname, target.words);
  END LOOP;
END
$$;

COMMENT ON SEQUENCE keypool.chat_completion_requests_id_seq IS 'Ids of requests.';

COMMENT ON TABLE keypool.model_prices IS
  'What models cost, in US dollars per million tokens, from when on. Edit it, or import_prices().';
COMMENT ON COLUMN keypool.model_prices.provider IS 'Provider, by its name in keypool.providers.';
COMMENT ON COLUMN keypool.model_prices.model IS 'Model, as requests name it.';
COMMENT ON COLUMN keypool.model_prices.input_cost IS 'Dollars per million tokens sent.';
COMMENT ON COLUMN keypool.model_prices.output_cost IS 'Dollars per million tokens that come back.';
COMMENT ON COLUMN keypool.model_prices.cached_input_cost IS
  'Dollars per million tokens sent that the provider had cached; NULL: as much as others.';
COMMENT ON COLUMN keypool.model_prices.valid_from IS
  'From then on. A request is priced by the latest row that is not after it.';
COMMENT ON COLUMN keypool.model_prices.source IS 'Where the price is from, for people.';
COMMENT ON TRIGGER prices_changed ON keypool.model_prices IS
  'Has every session forget the prices it remembers, when the change commits.';

COMMENT ON FUNCTION @extschema@.log_request(
  text, text, text, text, bigint, text, bigint, int, int, int, numeric, int, text, int, text, text,
  text, text, text, bool, timestamptz, jsonb, int, jsonb)
IS 'Logs a request: finds its key, prices it, settles its lease, reads limits from the answer''s headers. Returns the id of its row.';
COMMENT ON FUNCTION @extschema@.log_requests(jsonb)
IS 'Logs an array of requests, all or none; members are named like log_request''s arguments.';
COMMENT ON FUNCTION @extschema@.estimate_cost(text, text, int, int, int)
IS 'US dollars that so many tokens cost now; NULL when no price is known.';
COMMENT ON FUNCTION @extschema@.dev_key()
IS 'The key of development traffic, made if need be. The same everywhere: it protects nothing.';
COMMENT ON FUNCTION keypool.prices_changed()
IS 'Internal: trigger that has sessions forget the prices they remember.';
