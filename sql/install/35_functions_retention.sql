-- How old requests leave the log, and what the worker does for its partitions. The locks are those
-- of 35_functions_partitions.sql.

-- Takes a day out of the log, together with all that was folded of it, so that the views go on
-- showing what the log holds. The table stays under another name, for the next step to drop: that
-- waits for the disk, and here everybody waits for us.
CREATE FUNCTION keypool.detach_request_partition(day date, partition regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  first CONSTANT timestamptz := keypool.start_of_day(day);
  last CONSTANT timestamptz := keypool.start_of_day(day + 1);
  oldest CONSTANT xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
  -- As long as this lasts nobody folds.
  LOCK TABLE keypool.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
  DELETE FROM keypool.tracking_rollup t WHERE t.bucket >= first AND t.bucket < last;
  DELETE FROM keypool.usage_rollup u WHERE u.day = detach_request_partition.day;
  DELETE FROM keypool.request_changes c WHERE c.created_at >= first AND c.created_at < last;
  LOCK TABLE ONLY keypool.chat_completion_requests IN ACCESS EXCLUSIVE MODE;
  -- Rows of that day that were changed while we waited for the lock.
  DELETE FROM keypool.request_changes c
  WHERE c.xid >= oldest AND c.created_at >= first AND c.created_at < last;
  EXECUTE format('ALTER TABLE keypool.chat_completion_requests DETACH PARTITION %s', partition);
  EXECUTE format('ALTER TABLE %s RENAME TO %I', partition,
                 'dropped_requests_' || to_char(day, 'YYYYMMDD'));
END
$$;

-- False: somebody was in the way, and all is as before.
CREATE FUNCTION keypool.try_detach_partition(day date, partition regclass)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM keypool.detach_request_partition(day, partition);
  RETURN true;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- Whether budgets would lose what a partition's requests have cost: their books keep it, once it
-- is folded.
CREATE FUNCTION keypool.has_unbooked_requests(partition regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found boolean;
BEGIN
  EXECUTE format(
    'SELECT EXISTS (SELECT FROM keypool.budgets)'
    ' AND EXISTS (SELECT FROM ONLY %s r'
    ' WHERE r.xid >= (SELECT s.folded_below FROM keypool.rollup_state s))', partition) INTO found;
  RETURN found;
END
$$;

-- Drops a day that was taken out before. False: there is none.
CREATE FUNCTION keypool.drop_detached_partition()
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  detached CONSTANT regclass := c.oid FROM pg_class c
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    WHERE c.relnamespace = 'keypool'::regnamespace AND c.relname ~ '^dropped_requests_[0-9]{8}$'
    LIMIT 1;
BEGIN
  IF detached IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('ALTER EXTENSION pg_keypool DROP TABLE %s', detached);
  EXECUTE format('DROP TABLE %s', detached);
  RETURN true;
END
$$;

-- The next step of retention: 'more' (a step was done, another may follow), 'busy' (try again
-- later), 'done'. A step takes out one day, deletes some rows that never had a partition, or drops
-- what was taken out. Deleting corrects the views; what the keys have spent remains spent.
CREATE FUNCTION keypool.drop_request_partitions()
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '15ms'
SET keypool.count_requests = off
AS $$
DECLARE
  expired record;
BEGIN
  SELECT p.day, p.partition INTO expired
  FROM keypool.request_partitions() p WHERE p.day < keypool.first_kept_day()
  ORDER BY p.day LIMIT 1;
  IF FOUND THEN
    FOR attempt IN 1 .. 5 LOOP
      EXIT WHEN keypool.is_held('keypool.chat_completion_requests')
             OR keypool.is_held(expired.partition)
             OR keypool.has_unbooked_requests(expired.partition);
      IF keypool.try_detach_partition(expired.day, expired.partition) THEN
        RETURN 'more';
      END IF;
      PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN 'busy';
  END IF;

  DELETE FROM ONLY keypool.chat_completion_requests_default d
  WHERE d.ctid = ANY (ARRAY(
    SELECT o.ctid FROM ONLY keypool.chat_completion_requests_default o
    WHERE o.created_at < keypool.start_of_day(keypool.first_kept_day())
    ORDER BY o.created_at LIMIT 2000));
  IF FOUND OR keypool.drop_detached_partition() THEN
    RETURN 'more';
  END IF;
  RETURN 'done';
EXCEPTION
  WHEN lock_not_available THEN
    RETURN 'busy';
END
$$;

-- What the worker calls, each time in a transaction of its own, until nothing is left to do.
-- Answers as drop_request_partitions does.
CREATE FUNCTION keypool.tend_request_partitions(ahead int = 7)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  day date;
  outcome text;
BEGIN
  FOR day IN SELECT * FROM keypool.missing_request_days(ahead) LOOP
    outcome := keypool.make_request_partition(day);
    IF outcome = 'busy' THEN
      RETURN outcome;
    ELSIF outcome = 'made' THEN
      RETURN 'more';
    END IF;
  END LOOP;
  RETURN keypool.drop_request_partitions();
END
$$;
