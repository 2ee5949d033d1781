-- The table as it is after a long life: rows lie in no order of arrival, so that the known users
-- are spread over all of it, and everybody can see them.
CREATE INDEX bench_spread ON keypool.api_keys (user_id);
CLUSTER keypool.api_keys USING bench_spread;
DROP INDEX keypool.bench_spread;
VACUUM (FREEZE, ANALYZE) keypool.api_keys;
CHECKPOINT;
