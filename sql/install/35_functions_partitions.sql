-- The log's partitions: one for each UTC day, made ahead by the worker. docs/retention.md says what
-- users may rely on.
--
-- Locks are the subject here. Whoever queues for an exclusive lock on the log, or on its default
-- partition, holds up everybody who comes after. So these functions do what takes time first, ask
-- for such a lock last and for 15 ms at most, a few times with pauses in which others come through,
-- and not at all while a transaction holds the table that is older than a second; then they answer
-- 'busy'. A lock lasts until the caller's transaction ends: call them in transactions of their own.
-- Those that change something act as the owner of the extension.

CREATE FUNCTION keypool.request_partition_name(day date)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'chat_completion_requests_' || to_char(day, 'YYYYMMDD') $$;

CREATE FUNCTION keypool.start_of_day(day date)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT day::timestamp AT TIME ZONE 'UTC' $$;

-- By bound as well as by name: what others have attached is left alone.
CREATE FUNCTION keypool.request_partitions()
RETURNS TABLE (day date, partition regclass)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
  SELECT named.day, named.oid::regclass
  FROM (
    SELECT c.oid, c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') AS day,
           pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'keypool.chat_completion_requests'::regclass
      AND c.relname ~ '^chat_completion_requests_[0-9]{8}$'
  ) AS named
  WHERE named.relname = keypool.request_partition_name(named.day)
    AND named.bound = format('FOR VALUES FROM (%L) TO (%L)', named.day || ' 00:00:00+00',
                             named.day + 1 || ' 00:00:00+00')
$$;

CREATE FUNCTION keypool.has_strays(day date)
RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM ONLY keypool.chat_completion_requests_default d
                 WHERE d.created_at >= keypool.start_of_day(day)
                   AND d.created_at < keypool.start_of_day(day + 1))
$$;

-- More rows than are moved out of the default partition while others wait for them.
CREATE FUNCTION keypool.is_crowded(day date)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT count(*) > 10000
  FROM (SELECT FROM ONLY keypool.chat_completion_requests_default d
        WHERE d.created_at >= keypool.start_of_day(day)
          AND d.created_at < keypool.start_of_day(day + 1)
        LIMIT 10001) AS d
$$;

-- Whether it is no use to queue for an exclusive lock: somebody holds the table who does not look
-- like letting go of it at once. A prepared transaction has no process, and counts as somebody.
CREATE FUNCTION keypool.is_held(relation regclass)
RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pg_stat_clear_snapshot();  -- or a transaction that asks again is told the same
  SELECT EXISTS (
    SELECT FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = is_held.relation AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND (l.pid IS NULL OR a.xact_start < clock_timestamp() - interval '1 s'))
$$;

-- An ordinary table as the log wants it, which nobody else sees yet. It belongs to the extension,
-- as the log does: otherwise pg_dump would dump it, and a restore would meet the one that is there.
CREATE FUNCTION keypool.create_request_partition(day date)
RETURNS regclass
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner CONSTANT regrole := c.relowner FROM pg_class c
                            WHERE c.oid = 'keypool.chat_completion_requests'::regclass;
  name CONSTANT text := keypool.request_partition_name(day);
  made regclass;
  grantee text;
BEGIN
  EXECUTE format('CREATE TABLE keypool.%I (LIKE keypool.chat_completion_requests'
                 ' INCLUDING ALL EXCLUDING STATISTICS)', name);
  made := ('keypool.' || quote_ident(name))::regclass;
  EXECUTE format('CREATE UNIQUE INDEX %I ON %s (request_id, attempt)'
                 ' WHERE request_id IS NOT NULL', name || '_request', made);
  EXECUTE format('COMMENT ON TABLE %s IS %L', made,
                 'The requests of ' || to_char(day, 'YYYY-MM-DD') || ', UTC');
  EXECUTE format('ALTER TABLE %s OWNER TO %s', made, owner);
  -- What ALTER DEFAULT PRIVILEGES has handed out. Rights on the log are enough.
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = made AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', made, grantee);
  END LOOP;
  -- Within CREATE EXTENSION it is a member already.
  IF NOT EXISTS (SELECT FROM pg_depend d
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = made AND d.deptype = 'e') THEN
    EXECUTE format('ALTER EXTENSION pg_keypool ADD TABLE %s', made);
  END IF;
  RETURN made;
END
$$;

-- The copies name this transaction, as any new row does, and the rows deleted leave their record:
-- so the views count each once at every moment. Both were counted for their keys long ago.
CREATE FUNCTION keypool.move_requests(day date, partition regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
SET keypool.count_requests = off
AS $$
DECLARE
  columns CONSTANT text := string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                           FROM pg_attribute a
                           WHERE a.attrelid = 'keypool.chat_completion_requests'::regclass
                             AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                             AND a.attname <> 'xid';
  moved bigint;
BEGIN
  EXECUTE format(
    'WITH moved AS ('
    '  DELETE FROM ONLY keypool.chat_completion_requests_default'
    '  WHERE created_at >= %1$L AND created_at < %2$L RETURNING %3$s)'
    ' INSERT INTO %4$s (%3$s) SELECT %3$s FROM moved',
    keypool.start_of_day(day), keypool.start_of_day(day + 1), columns, partition);
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;

-- Postgres reads the whole default partition to see that none of the day's rows are in it, with
-- everybody locked out. Where that would take long, an index look-up under the same lock has just
-- shown it, and a CHECK says so for the moment of ATTACH; it must count as validated, and VALIDATE
-- would read everything too.
CREATE FUNCTION keypool.attach_without_scan(day date, attach text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('ALTER TABLE keypool.chat_completion_requests_default'
                 ' ADD CONSTRAINT day_is_elsewhere'
                 ' CHECK (created_at < %L OR created_at >= %L) NOT VALID',
                 keypool.start_of_day(day), keypool.start_of_day(day + 1));
  UPDATE pg_constraint SET convalidated = true
  WHERE conrelid = 'keypool.chat_completion_requests_default'::regclass
    AND conname = 'day_is_elsewhere';
  EXECUTE attach;
  ALTER TABLE keypool.chat_completion_requests_default DROP CONSTRAINT day_is_elsewhere;
END
$$;

-- Others are kept out in the order in which everybody takes these locks. Readers, when rows move: a
-- statement that was planned without the new partition must not run when they are in it. Writers,
-- when somebody may be logging requests of that day: Postgres refuses a row that was on its way to
-- the default partition meanwhile.
CREATE FUNCTION keypool.attach_request_partition(
  day date, partition regclass, moved bigint, writers_wait boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  attach CONSTANT text := format(
    'ALTER TABLE keypool.chat_completion_requests ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
    partition, keypool.start_of_day(day), keypool.start_of_day(day + 1));
BEGIN
  IF moved > 0 THEN
    LOCK TABLE ONLY keypool.chat_completion_requests IN ACCESS EXCLUSIVE MODE;
  ELSIF writers_wait THEN
    LOCK TABLE ONLY keypool.chat_completion_requests IN SHARE ROW EXCLUSIVE MODE;
  ELSE
    LOCK TABLE ONLY keypool.chat_completion_requests IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
  LOCK TABLE ONLY keypool.chat_completion_requests_default IN ACCESS EXCLUSIVE MODE;
  IF moved > 0 THEN
    PERFORM keypool.move_requests(day, partition);  -- what has come meanwhile
  ELSIF keypool.has_strays(day) THEN
    RAISE EXCEPTION 'requests of % are just being logged', day
      USING ERRCODE = 'lock_not_available';
  END IF;
  IF pg_relation_size('keypool.chat_completion_requests_default') > 8 * 1024 * 1024
     AND current_setting('transaction_isolation') = 'read committed' THEN
    PERFORM keypool.attach_without_scan(day, attach);
  ELSE
    EXECUTE attach;
  END IF;
END
$$;

-- False: somebody was in the way, and all is as before.
CREATE FUNCTION keypool.try_request_partition(day date, writers_wait boolean)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  partition regclass;
  moved bigint;
BEGIN
  partition := keypool.create_request_partition(day);
  moved := keypool.move_requests(day, partition);
  PERFORM keypool.attach_request_partition(day, partition, moved, writers_wait);
  RETURN true;
EXCEPTION
  WHEN lock_not_available OR check_violation THEN
    RETURN false;
END
$$;

-- Answers what became of it: 'made'; 'exists'; 'far' (more than 400 days from today); 'taken' (by a
-- partition or table of somebody else); or, unless the caller is patient, 'busy' (try again later)
-- and 'crowded' (so many of the day's rows are in the default partition that they stay there). A
-- patient caller waits for whoever is in the way and moves any number of rows, and meanwhile
-- everybody who uses the log waits for him.
CREATE FUNCTION keypool.make_request_partition(day date, patient boolean = false)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '15ms'
AS $$
DECLARE
  today CONSTANT date := (now() AT TIME ZONE 'UTC')::date;
  writers_wait boolean;
BEGIN
  IF abs(day - today) > 400 THEN
    RETURN 'far';
  END IF;
  IF EXISTS (SELECT FROM keypool.request_partitions() p
             WHERE p.day = make_request_partition.day) THEN
    RETURN 'exists';
  END IF;
  IF patient THEN
    PERFORM set_config('lock_timeout', '0', true);
  ELSIF keypool.is_crowded(day) THEN
    RETURN 'crowded';
  END IF;
  FOR attempt IN 1 .. 5 LOOP
    -- Days to come must not wait for ever on a log that somebody is always writing to.
    writers_wait := patient OR keypool.has_strays(day) OR day <= today + 1
                    OR attempt < 5 AND NOT keypool.is_held('keypool.chat_completion_requests');
    EXIT WHEN NOT patient
      AND (keypool.is_held('keypool.chat_completion_requests_default')
           OR writers_wait AND keypool.is_held('keypool.chat_completion_requests'));
    IF keypool.try_request_partition(day, writers_wait) THEN
      RETURN 'made';
    END IF;
    PERFORM pg_sleep(0.05);
  END LOOP;
  RETURN 'busy';
EXCEPTION
  WHEN invalid_object_definition OR duplicate_table THEN
    RETURN 'taken';
END
$$;
