-- What the monitoring is made of: comments.

COMMENT ON FUNCTION @extschema@.prometheus_metrics()
IS 'The metrics of this database in the Prometheus exposition format (text, version 0.0.4).';
COMMENT ON FUNCTION keypool.metric_families()
IS 'Internal: name, type and help text of each metric.';
COMMENT ON FUNCTION keypool.metric_label(text, text)
IS 'Internal: one label of a metric, its value escaped.';
COMMENT ON FUNCTION keypool.tracking_metrics()
IS 'Internal: samples of prometheus_metrics() about how well requests are tracked.';
COMMENT ON FUNCTION keypool.key_count_metrics()
IS 'Internal: samples of prometheus_metrics() about how many keys there are.';
COMMENT ON FUNCTION keypool.most_listed_keys()
IS 'Internal: how many keys have series of their own in prometheus_metrics().';
COMMENT ON FUNCTION keypool.key_metrics()
IS 'Internal: samples of prometheus_metrics() about single keys.';
COMMENT ON FUNCTION keypool.provider_metrics()
IS 'Internal: samples of prometheus_metrics() about providers and kinds of owners.';
COMMENT ON FUNCTION keypool.worker_metrics()
IS 'Internal: samples of prometheus_metrics() about the worker, the pool and alerts.';
COMMENT ON FUNCTION keypool.tracking_counts()
IS 'Internal: requests by how they were tracked and lookups of keys, since the server''s start.';
COMMENT ON FUNCTION keypool.pool_totals()
IS 'Internal: keys in the pool and open leases, by provider and kind of owner.';
COMMENT ON FUNCTION keypool.count_key_totals()
IS 'Trigger: adds what has grown in keypool.key_state to keypool.key_totals.';
COMMENT ON FUNCTION keypool.add_up_key_totals()
IS 'Internal: makes the rows of keypool.key_totals one for each provider and kind of owner.';
COMMENT ON TRIGGER count_key_totals ON keypool.key_state
IS 'Counts what has grown for keypool.usage_totals.';
COMMENT ON TRIGGER count_new_key_totals ON keypool.key_state
IS 'Counts what new rows bring for keypool.usage_totals.';

COMMENT ON TABLE keypool.key_totals
IS 'Use of all keys since ever, in parts; their sums are in keypool.usage_totals.';
COMMENT ON SEQUENCE keypool.key_totals_id_seq IS 'Numbers of the rows of keypool.key_totals.';
COMMENT ON COLUMN keypool.key_totals.id IS 'Number of the row.';
COMMENT ON COLUMN keypool.key_totals.provider IS 'Provider of the keys.';
COMMENT ON COLUMN keypool.key_totals.key_source IS 'Whose the keys are: user, organization or system.';
COMMENT ON COLUMN keypool.key_totals.picks IS 'Picks.';
COMMENT ON COLUMN keypool.key_totals.requests IS 'Requests, as logged or reported.';
COMMENT ON COLUMN keypool.key_totals.errors IS 'Of these, those that failed.';
COMMENT ON COLUMN keypool.key_totals.tokens IS 'Tokens.';
COMMENT ON COLUMN keypool.key_totals.cost_nano IS 'Nano-dollars spent.';

COMMENT ON VIEW keypool.usage_totals
IS 'Use of all keys since ever by provider and kind of owner, up to a second ago. Never falls: what is deleted or revoked stays counted.';
COMMENT ON COLUMN keypool.usage_totals.provider IS 'Provider of the keys.';
COMMENT ON COLUMN keypool.usage_totals.key_source
IS 'Whose the keys are: user, organization or system.';
COMMENT ON COLUMN keypool.usage_totals.picks IS 'Picks.';
COMMENT ON COLUMN keypool.usage_totals.requests IS 'Requests, as logged or reported.';
COMMENT ON COLUMN keypool.usage_totals.errors IS 'Of these, those that failed.';
COMMENT ON COLUMN keypool.usage_totals.tokens IS 'Tokens, input and output.';
COMMENT ON COLUMN keypool.usage_totals.cost_usd IS 'US dollars spent.';

COMMENT ON VIEW keypool.user_key_counts
IS 'How many keys of users there are by provider and state, revoked ones left out; up to a second old.';
COMMENT ON COLUMN keypool.user_key_counts.provider IS 'Provider of the keys.';
COMMENT ON COLUMN keypool.user_key_counts.state
IS 'healthy, cooling, unhealthy, half_open, disabled or expired.';
COMMENT ON COLUMN keypool.user_key_counts.keys IS 'Number of keys.';

COMMENT ON VIEW keypool.request_log_status
IS 'How large the request log is, how far it is folded into the rollups, and its last hour. One row.';
COMMENT ON COLUMN keypool.request_log_status.requests IS 'Rows of the log, exactly.';
COMMENT ON COLUMN keypool.request_log_status.unfolded_requests
IS 'Of these, what the rollups do not hold yet; less than 0 when they hold rows deleted since.';
COMMENT ON COLUMN keypool.request_log_status.folded_at
IS 'When rows were last folded into the rollups; NULL: never.';
COMMENT ON COLUMN keypool.request_log_status.fold_lag
IS 'Age of what is not folded yet, 0 when all is. Minutes mean a long transaction, or no worker.';
COMMENT ON COLUMN keypool.request_log_status.requests_last_hour
IS 'Requests of the present quarter of an hour and the four before it.';
COMMENT ON COLUMN keypool.request_log_status.with_key_last_hour IS 'Of these, those with a key.';
COMMENT ON COLUMN keypool.request_log_status.partitions
IS 'Partitions of the log, the one for all other days included.';
