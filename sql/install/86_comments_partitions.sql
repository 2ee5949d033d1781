-- What \d+ and \df+ say of the log's partitions and of the way into a dump.

COMMENT ON TABLE keypool.chat_completion_requests_default IS
  'Requests of days that have no partition of their own';
COMMENT ON TABLE keypool.request_dump IS
  'Always empty: pg_dump writes the request log under this name, and a restore passes it on';
COMMENT ON TRIGGER restore_request ON keypool.request_dump IS
  'Puts a restored row into the request log, uncounted';

-- Their columns mean what those of the log mean.
DO $$
DECLARE
  noted record;
BEGIN
  FOR noted IN
    SELECT a.attrelid::regclass AS relation, a.attname AS name,
           col_description(l.attrelid, l.attnum) AS meaning
    FROM pg_attribute a
    JOIN pg_attribute l ON l.attname = a.attname
                       AND l.attrelid = 'keypool.chat_completion_requests'::regclass
    WHERE a.attrelid IN ('keypool.chat_completion_requests_default'::regclass,
                         'keypool.request_dump'::regclass)
      AND a.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', noted.relation, noted.name, noted.meaning);
  END LOOP;
END
$$;

COMMENT ON FUNCTION keypool.request_partition_name(date) IS
  'Internal: the name of a day''s partition of the request log.';
COMMENT ON FUNCTION keypool.start_of_day(date) IS
  'Internal: when a day begins, in UTC.';
COMMENT ON FUNCTION keypool.request_partitions() IS
  'The days that have a partition of the request log.';
COMMENT ON FUNCTION keypool.has_strays(date) IS
  'Internal: whether rows of a day are in the default partition.';
COMMENT ON FUNCTION keypool.is_crowded(date) IS
  'Internal: whether the default partition has too many rows of a day to move them at once.';
COMMENT ON FUNCTION keypool.is_held(regclass) IS
  'Internal: whether somebody else has held a lock on a table for more than a second.';
COMMENT ON FUNCTION keypool.create_request_partition(date) IS
  'Internal: makes the table that will be a day''s partition.';
COMMENT ON FUNCTION keypool.move_requests(date, regclass) IS
  'Internal: moves a day''s rows from the default partition to the day''s own.';
COMMENT ON FUNCTION keypool.attach_without_scan(date, text) IS
  'Internal: attaches a partition without reading the default partition.';
COMMENT ON FUNCTION keypool.attach_request_partition(date, regclass, bigint, boolean) IS
  'Internal: makes a day''s table a partition of the request log.';
COMMENT ON FUNCTION keypool.try_request_partition(date, boolean) IS
  'Internal: one attempt to make a day''s partition of the request log.';
COMMENT ON FUNCTION keypool.make_request_partition(date, boolean) IS
  'Makes a day''s partition of the request log. Answers made, exists, far, taken, busy or crowded.';
COMMENT ON FUNCTION keypool.first_kept_day() IS
  'The first day of which keypool.request_retention keeps the requests; NULL: it keeps all.';
COMMENT ON FUNCTION keypool.missing_request_days(int) IS
  'The days that should get a partition of the request log next.';
COMMENT ON FUNCTION keypool.make_request_partitions(int) IS
  'Makes all partitions of the request log that are missing, at once. Returns how many it made.';
COMMENT ON FUNCTION keypool.ensure_request_partitions(date, date) IS
  'Makes up to four partitions of these days. Returns how many are left: repeat until that is 0.';
COMMENT ON FUNCTION keypool.detach_request_partition(date, regclass) IS
  'Internal: takes a day out of the request log and out of its rollups.';
COMMENT ON FUNCTION keypool.try_detach_partition(date, regclass) IS
  'Internal: one attempt to take a day out of the request log.';
COMMENT ON FUNCTION keypool.drop_detached_partition() IS
  'Internal: drops a day that was taken out of the request log.';
COMMENT ON FUNCTION keypool.drop_request_partitions() IS
  'The next step of keypool.request_retention: answers more, busy or done.';
COMMENT ON FUNCTION keypool.tend_request_partitions(int) IS
  'Internal: the next step of the worker''s care for the request log''s partitions.';
COMMENT ON FUNCTION keypool.restore_request() IS
  'Internal: trigger that puts a restored row into the request log.';
