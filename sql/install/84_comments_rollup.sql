-- What \d+ and \df+ say of the rollups and of what keeps them exact.

COMMENT ON TABLE keypool.rollup_state IS
  'Up to where the rollups hold the request log. One row, moved by keypool.fold_requests().';
COMMENT ON COLUMN keypool.rollup_state.one IS 'Always true: there is one row.';
COMMENT ON COLUMN keypool.rollup_state.folded_below IS
  'Rows of the log written by transactions below this one are in the rollups.';
COMMENT ON COLUMN keypool.rollup_state.folded_at IS
  'When that was last moved; NULL before the first fold and after a rebuild.';

COMMENT ON TABLE keypool.tracking_rollup IS
  'How requests were tracked, by quarter of an hour, without the tail: the views add it.';
COMMENT ON COLUMN keypool.tracking_rollup.bucket IS 'Start of the quarter of an hour.';
COMMENT ON COLUMN keypool.tracking_rollup.requests IS 'Requests made in it.';
COMMENT ON COLUMN keypool.tracking_rollup.with_key IS 'Those of which the API key is known.';
COMMENT ON COLUMN keypool.tracking_rollup.anonymous IS 'Those that are anonymous on purpose.';
COMMENT ON COLUMN keypool.tracking_rollup.user_without_key IS
  'Those of a known user that lost their key.';
COMMENT ON COLUMN keypool.tracking_rollup.neither_user_nor_key IS
  'Those that name neither user nor key and are not said to be anonymous.';

COMMENT ON TABLE keypool.usage_rollup IS
  'Requests, tokens, time and cost by UTC day and dimensions, without the tail: the views add it.';
COMMENT ON COLUMN keypool.usage_rollup.day IS 'UTC day of created_at.';
COMMENT ON COLUMN keypool.usage_rollup.provider IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.model IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.user_id IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.organization_id IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.api_key_id IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.key_source IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.is_anonymous IS 'As in the log.';
COMMENT ON COLUMN keypool.usage_rollup.requests IS 'Requests of that day and those dimensions.';
COMMENT ON COLUMN keypool.usage_rollup.errors IS 'Those that failed.';
COMMENT ON COLUMN keypool.usage_rollup.input_tokens IS 'Sum of the log''s column.';
COMMENT ON COLUMN keypool.usage_rollup.output_tokens IS 'Sum of the log''s column.';
COMMENT ON COLUMN keypool.usage_rollup.cached_tokens IS 'Sum of the log''s column.';
COMMENT ON COLUMN keypool.usage_rollup.cost_nano IS 'Sum of cost_usd, in nano-dollars.';
COMMENT ON COLUMN keypool.usage_rollup.unpriced IS 'Requests whose cost is not known.';
COMMENT ON COLUMN keypool.usage_rollup.timed IS 'Requests whose processing_time_ms is known.';
COMMENT ON COLUMN keypool.usage_rollup.time_ms IS 'Sum of processing_time_ms.';

COMMENT ON TABLE keypool.request_changes IS
  'Row versions of the log that an UPDATE or DELETE ended, until they are folded.';
COMMENT ON COLUMN keypool.request_changes.xid IS 'Transaction that ended the version.';
COMMENT ON COLUMN keypool.request_changes.row_xid IS 'Transaction that had written it.';
COMMENT ON COLUMN keypool.request_changes.created_at IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.provider IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.model IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.user_id IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.organization_id IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.api_key_id IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.key_source IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.is_anonymous IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.failed IS 'Whether it counted as an error.';
COMMENT ON COLUMN keypool.request_changes.input_tokens IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.output_tokens IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.cached_tokens IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.cost_usd IS 'As it was in the log.';
COMMENT ON COLUMN keypool.request_changes.processing_time_ms IS 'As it was in the log.';

COMMENT ON TRIGGER requests_truncated ON keypool.chat_completion_requests IS
  'Empties the rollups when the whole log is truncated.';

COMMENT ON FUNCTION keypool.unfolded_requests(xid8) IS
  'Internal: the tail that the views add to the rollups. Groups of requests; one may come twice.';
COMMENT ON FUNCTION keypool.fold_requests(bigint) IS
  'Folds what is settled of the request log, at least so many rows if there are, into the rollups, as the worker does by itself. Answers how many groups of usage changed.';
COMMENT ON FUNCTION keypool.rebuild_rollups() IS
  'Empties the rollups, so that the next folds build them from the log: after a partition was attached, detached or truncated by hand.';
COMMENT ON FUNCTION keypool.requests_truncated() IS
  'Trigger on the request log: empties the rollups after TRUNCATE.';
