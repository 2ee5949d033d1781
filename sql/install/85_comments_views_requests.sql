-- What \d+ says of the views on the request log, and \df+ of the reports on it.

COMMENT ON VIEW keypool.api_key_tracking_quality IS
  'How well requests are tracked, by hour, for the last 7 days, newest first. Equal to GROUP BY '
  'over the log.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.hour IS
  'Start of the hour in the session''s time zone.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.total_requests IS 'All requests.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.requests_with_api_key IS
  'Those of which the API key is known.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.requests_without_api_key IS
  'The others: anonymous or not.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.anonymous_requests IS
  'Those without a key that are anonymous on purpose.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.potential_lookup_failures IS
  'Those without a key that are not: their key got lost.';
COMMENT ON COLUMN keypool.api_key_tracking_quality.tracking_rate_percent IS
  'Share of the requests of which the API key is known, 0.00 to 100.00.';

COMMENT ON VIEW keypool.api_key_tracking_trend IS
  'How well requests are tracked, by day, for the last 30 days, newest first, with a judgement of '
  'each.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.day IS 'Day in the session''s time zone.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.total_requests IS 'All requests.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.requests_with_api_key IS
  'Those of which the API key is known.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.requests_without_api_key IS
  'The others: anonymous or not.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.anonymous_requests IS
  'Those without a key that are anonymous on purpose.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.potential_lookup_failures IS
  'Those without a key that are not: their key got lost.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.tracking_rate_percent IS
  'Share of the requests of which the API key is known, 0.00 to 100.00.';
COMMENT ON COLUMN keypool.api_key_tracking_trend.alert_status IS
  'ok from 90 percent, warning from 70, else critical.';

COMMENT ON VIEW keypool.key_source_usage IS 'Usage by day, user and whose key was used.';
COMMENT ON COLUMN keypool.key_source_usage.day IS 'Day of the requests, in UTC.';
COMMENT ON COLUMN keypool.key_source_usage.user_id IS 'User, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.key_source_usage.key_source IS
  'Whose key: user, organization or system; anonymous: none, on purpose; unknown: the key is not '
  'known.';
COMMENT ON COLUMN keypool.key_source_usage.requests IS 'Requests, those that failed included.';
COMMENT ON COLUMN keypool.key_source_usage.errors IS
  'Those of them that failed: with an error type, an HTTP status from 400 on, or status failed or '
  'error.';
COMMENT ON COLUMN keypool.key_source_usage.tokens IS 'Input and output tokens together.';
COMMENT ON COLUMN keypool.key_source_usage.input_tokens IS
  'Tokens sent to the model, those it had cached included.';
COMMENT ON COLUMN keypool.key_source_usage.output_tokens IS 'Tokens the model answered with.';
COMMENT ON COLUMN keypool.key_source_usage.cached_tokens IS
  'Those of the input tokens that the provider had cached.';
COMMENT ON COLUMN keypool.key_source_usage.cost_usd IS
  'Sum of the costs that are known, in US dollars, exact; NULL where none is.';
COMMENT ON COLUMN keypool.key_source_usage.unpriced_requests IS
  'Requests whose cost is not known, and which cost_usd therefore lacks.';

COMMENT ON VIEW keypool.request_costs IS
  'What was spent, by day, user, organization, provider, model and key.';
COMMENT ON COLUMN keypool.request_costs.day IS 'Day of the requests, in UTC.';
COMMENT ON COLUMN keypool.request_costs.user_id IS 'User, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.request_costs.organization_id IS
  'Organization, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.request_costs.provider IS 'Provider, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.request_costs.model IS 'Model, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.request_costs.api_key_id IS
  'Id of the API key; NULL: not known. Stays when the key is deleted.';
COMMENT ON COLUMN keypool.request_costs.key_name IS
  'Name of the key; NULL when it is not known or was deleted.';
COMMENT ON COLUMN keypool.request_costs.key_hint IS 'Masked form of the key, likewise.';
COMMENT ON COLUMN keypool.request_costs.requests IS 'Requests, those that failed included.';
COMMENT ON COLUMN keypool.request_costs.errors IS
  'Those of them that failed: with an error type, an HTTP status from 400 on, or status failed or '
  'error.';
COMMENT ON COLUMN keypool.request_costs.tokens IS 'Input and output tokens together.';
COMMENT ON COLUMN keypool.request_costs.input_tokens IS
  'Tokens sent to the model, those it had cached included.';
COMMENT ON COLUMN keypool.request_costs.output_tokens IS 'Tokens the model answered with.';
COMMENT ON COLUMN keypool.request_costs.cached_tokens IS
  'Those of the input tokens that the provider had cached.';
COMMENT ON COLUMN keypool.request_costs.cost_usd IS
  'Sum of the costs that are known, in US dollars, exact; NULL where none is.';
COMMENT ON COLUMN keypool.request_costs.unpriced_requests IS
  'Requests whose cost is not known, and which cost_usd therefore lacks.';

COMMENT ON VIEW keypool.model_usage IS
  'Usage by day, provider and model, with the sums that rates and averages are made of.';
COMMENT ON COLUMN keypool.model_usage.day IS 'Day of the requests, in UTC.';
COMMENT ON COLUMN keypool.model_usage.provider IS 'Provider, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.model_usage.model IS 'Model, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.model_usage.requests IS 'Requests, those that failed included.';
COMMENT ON COLUMN keypool.model_usage.errors IS
  'Those of them that failed: with an error type, an HTTP status from 400 on, or status failed or '
  'error.';
COMMENT ON COLUMN keypool.model_usage.tokens IS 'Input and output tokens together.';
COMMENT ON COLUMN keypool.model_usage.input_tokens IS
  'Tokens sent to the model, those it had cached included.';
COMMENT ON COLUMN keypool.model_usage.output_tokens IS 'Tokens the model answered with.';
COMMENT ON COLUMN keypool.model_usage.cached_tokens IS
  'Those of the input tokens that the provider had cached.';
COMMENT ON COLUMN keypool.model_usage.cost_usd IS
  'Sum of the costs that are known, in US dollars, exact; NULL where none is.';
COMMENT ON COLUMN keypool.model_usage.unpriced_requests IS
  'Requests whose cost is not known, and which cost_usd therefore lacks.';
COMMENT ON COLUMN keypool.model_usage.timed_requests IS
  'Requests whose processing_time_ms is known.';
COMMENT ON COLUMN keypool.model_usage.processing_time_ms IS
  'Sum of their processing times, in milliseconds.';

COMMENT ON VIEW keypool.model_comparison IS 'Models side by side, over all days of the log.';
COMMENT ON COLUMN keypool.model_comparison.provider IS 'Provider, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.model_comparison.model IS 'Model, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.model_comparison.requests IS 'Requests, those that failed included.';
COMMENT ON COLUMN keypool.model_comparison.errors IS
  'Those of them that failed: with an error type, an HTTP status from 400 on, or status failed or '
  'error.';
COMMENT ON COLUMN keypool.model_comparison.error_rate IS 'Errors per request: 0.0500 is 5 percent.';
COMMENT ON COLUMN keypool.model_comparison.tokens IS 'Input and output tokens together.';
COMMENT ON COLUMN keypool.model_comparison.input_tokens IS
  'Tokens sent to the model, those it had cached included.';
COMMENT ON COLUMN keypool.model_comparison.output_tokens IS 'Tokens the model answered with.';
COMMENT ON COLUMN keypool.model_comparison.cached_tokens IS
  'Those of the input tokens that the provider had cached.';
COMMENT ON COLUMN keypool.model_comparison.cost_usd IS
  'Sum of the costs that are known, in US dollars, exact; NULL where none is.';
COMMENT ON COLUMN keypool.model_comparison.cost_per_1k_tokens IS
  'Dollars per 1000 tokens on the days (UTC) on which every request of the model has a known '
  'cost; NULL when there is no such day.';
COMMENT ON COLUMN keypool.model_comparison.avg_latency_ms IS
  'Mean processing time of the requests that say theirs, in milliseconds.';
COMMENT ON COLUMN keypool.model_comparison.unpriced_requests IS
  'Requests whose cost is not known, and which cost_usd therefore lacks.';

COMMENT ON VIEW keypool.pricing_quality IS
  'How many requests of each model have a known cost. Those that have none cost something all the '
  'same.';
COMMENT ON COLUMN keypool.pricing_quality.provider IS 'Provider, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.pricing_quality.model IS 'Model, as logged; NULL: none was.';
COMMENT ON COLUMN keypool.pricing_quality.requests IS 'Requests, those that failed included.';
COMMENT ON COLUMN keypool.pricing_quality.priced_requests IS 'Those whose cost is known.';
COMMENT ON COLUMN keypool.pricing_quality.unpriced_requests IS 'Those whose cost is not known.';
COMMENT ON COLUMN keypool.pricing_quality.priced_percent IS
  'Share of the requests whose cost is known, 0.00 to 100.00.';
COMMENT ON COLUMN keypool.pricing_quality.first_unpriced_day IS
  'First day (UTC) with a request of unknown cost; NULL: there is none.';
COMMENT ON COLUMN keypool.pricing_quality.last_unpriced_day IS 'Last such day.';

COMMENT ON VIEW keypool.tracking_parts IS
  'Internal: what adds up to the figures of tracking. Group it; single rows may be negative.';
COMMENT ON COLUMN keypool.tracking_parts.bucket IS 'Part of a sum; as in keypool.tracking_rollup.';
COMMENT ON COLUMN keypool.tracking_parts.requests IS
  'Part of a sum; as in keypool.tracking_rollup.';
COMMENT ON COLUMN keypool.tracking_parts.with_key IS
  'Part of a sum; as in keypool.tracking_rollup.';
COMMENT ON COLUMN keypool.tracking_parts.anonymous IS
  'Part of a sum; as in keypool.tracking_rollup.';
COMMENT ON COLUMN keypool.tracking_parts.user_without_key IS
  'Part of a sum; as in keypool.tracking_rollup.';

COMMENT ON VIEW keypool.usage_parts IS
  'Internal: what adds up to the figures of usage. Group it; single rows may be negative.';
COMMENT ON COLUMN keypool.usage_parts.day IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.provider IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.model IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.user_id IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.organization_id IS
  'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.api_key_id IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.key_source IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.is_anonymous IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.requests IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.errors IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.input_tokens IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.output_tokens IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.cached_tokens IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.cost_nano IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.unpriced IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.timed IS 'Part of a sum; as in keypool.usage_rollup.';
COMMENT ON COLUMN keypool.usage_parts.time_ms IS 'Part of a sum; as in keypool.usage_rollup.';

COMMENT ON FUNCTION @extschema@.api_key_tracking_quality_report(int) IS
  'How well the requests of the last so many hours (1 to 168) are tracked, to the microsecond, '
  'and what to do about it.';
COMMENT ON FUNCTION @extschema@.api_key_tracking_trend_report(int) IS
  'How well the requests of the last so many days (1 to 30) were tracked, day by day, and which '
  'way it goes.';
