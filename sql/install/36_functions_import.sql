-- Importing requests: what people call, and the course of an import. What a table's columns become
-- is planned in 36_functions_import_plan.sql.

CREATE FUNCTION @extschema@.import_requests(
  source regclass, columns jsonb = NULL, follow bool = false)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_import_requests';

CREATE FUNCTION keypool.stop_following(source regclass)
RETURNS bool
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_stop_following';

CREATE FUNCTION keypool.follow_request()
RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_follow_request';

-- Whether the trigger is on the table.
CREATE FUNCTION keypool.is_followed(source regclass)
RETURNS bool
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM pg_trigger t
                 WHERE t.tgrelid = source AND t.tgname = 'keypool_follow'
                   AND t.tgfoid = 'keypool.follow_request()'::regprocedure)
$$;

-- Of the days of a source's rows, those that could have partitions and have none: the last 400.
CREATE FUNCTION keypool.import_days(days date[])
RETURNS date[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT array_agg(latest.day ORDER BY latest.day DESC)
  FROM (
    SELECT d.day
    FROM unnest(days) AS d (day), (SELECT (now() AT TIME ZONE 'UTC')::date AS day) today
    WHERE d.day BETWEEN today.day - 400 AND today.day + 400
      AND d.day >= coalesce(keypool.first_kept_day(), d.day)
      AND d.day NOT IN (SELECT p.day FROM keypool.request_partitions() p)
    ORDER BY d.day DESC
    LIMIT 400
  ) AS latest
$$;

-- Some of the days that an import still has to have partitions for are made; returns how many are
-- left. Locks as keypool.ensure_request_partitions().
CREATE FUNCTION keypool.make_import_days(import_id bigint)
RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  missing date[] := (SELECT i.days FROM keypool.request_imports i WHERE i.id = import_id);
BEGIN
  FOR tried IN 1..least(4, cardinality(missing)) LOOP
    EXIT WHEN keypool.ensure_request_partitions(missing[1], missing[1]) > 0;
    missing := missing[2:];
  END LOOP;
  UPDATE keypool.request_imports i SET days = missing WHERE i.id = import_id;
  RETURN coalesce(cardinality(missing), 0);
END
$$;

-- What an import cannot know by itself, and the figures will show.
CREATE FUNCTION keypool.tell_import_gaps(source regclass, columns jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  missing CONSTANT text := string_agg(t.name, ' and ' ORDER BY t.name DESC)
    FROM keypool.import_targets() t
    WHERE t.name IN ('provider', 'model') AND NOT columns ? t.name
      AND t.name NOT IN (SELECT o.target FROM keypool.import_origins(source, columns) o);
BEGIN
  IF missing IS NOT NULL THEN
    RAISE NOTICE '% says nothing of %', source, missing
      USING DETAIL = 'Without them a request has no price.',
            HINT = 'Name columns for them, or give a constant: '
                   '{"provider": {"value": "openai"}, "model": "its_name"}.';
  END IF;
  IF NOT columns ? 'api_key_id'
     AND EXISTS (SELECT FROM keypool.import_origins(source, columns) o
                 WHERE o.kind = 'foreign key') THEN
    RAISE NOTICE 'api_key_id of % is kept as a negative number', source
      USING DETAIL = 'So the request counts as made with a key, and with none of '
                     'keypool.api_keys.',
            HINT = 'Where they are ids of keypool.api_keys, say {"api_key_id": "api_key_id"}; '
                   'where they lead to some, give {"api_key_id": {"map": {"17": 3}}}.';
  END IF;
END
$$;

-- What import_requests needs to know before it decides how to go about it. Fails, with a reason,
-- where there is nothing to go about.
CREATE FUNCTION keypool.prepare_import(
  source regclass, importer name, columns jsonb, follow bool, OUT for_worker bool,
  OUT columns_used jsonb, OUT reached text[], OUT followed_from text[], OUT settled bool,
  OUT copied bigint, OUT refused bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  relation pg_class;
  earlier keypool.request_imports;
  key record;
BEGIN
  SELECT * INTO relation FROM pg_class c WHERE c.oid = source;
  IF relation.relkind IS NULL OR relation.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
    RAISE EXCEPTION '% is not a table or view', source USING ERRCODE = 'wrong_object_type';
  ELSIF source IN (SELECT 'keypool.chat_completion_requests'::regclass
                   UNION ALL
                   -- Not by pg_partition_tree(), which locks what the worker is about to change.
                   SELECT h.inhrelid FROM pg_inherits h
                   WHERE h.inhparent = 'keypool.chat_completion_requests'::regclass) THEN
    RAISE EXCEPTION 'the request log cannot be imported into itself'
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF follow AND NOT pg_has_role(importer, relation.relowner, 'USAGE') THEN
    RAISE EXCEPTION 'must be owner of table %', source USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT * INTO earlier FROM keypool.request_imports i WHERE i.source = prepare_import.source;
  SELECT * INTO key FROM keypool.import_key(source);
  columns_used := coalesce(columns, earlier.columns, '{}');
  PERFORM keypool.check_import(source, columns_used);
  for_worker := key.names IS NOT NULL AND relation.relkind IN ('r', 'p')
                AND relation.relpersistence <> 't';
  reached := earlier.reached;
  followed_from := CASE WHEN earlier.follow THEN earlier.up_to END;
  copied := coalesce(earlier.rows_copied, 0);
  refused := coalesce(earlier.rows_refused, 0);
  settled := coalesce(earlier.follow AND earlier.state = 'done', false);
  IF earlier.follow AND NOT keypool.is_followed(source) THEN
    RAISE EXCEPTION 'the trigger keypool_follow on % is gone', source
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Which rows it copied before it went is not known.',
            HINT = 'See that the log has what is in the table now, then call '
                   'keypool.stop_following(): what is new after that can be imported.';
  ELSIF earlier.key_columns IS DISTINCT FROM key.names AND reached IS NOT NULL
     OR earlier.state = 'done' AND NOT settled AND NOT coalesce(key.grows, false) THEN
    RAISE EXCEPTION 'cannot tell which rows of % are new since its last import', source
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'That takes a primary key of numbers or times that grow, the same as before.',
            HINT = 'To import it once more from its first row, delete its row in '
                   'keypool.request_imports.';
  END IF;
  IF earlier.id IS NULL THEN
    PERFORM keypool.tell_import_gaps(source, columns_used);
  END IF;
END
$$;

-- What an import needs to know that only its importer's rights can tell, on its way to whoever does
-- the work: the last key to copy, how many rows there are, and of which days.
CREATE FUNCTION keypool.import_order(
  source regclass, importer name, columns jsonb, follow bool, up_to text[], total bigint,
  days date[])
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'source', source::oid, 'importer', importer, 'columns', columns, 'follow', follow,
    'up_to', up_to, 'total', total, 'days', keypool.import_days(days))
$$;

-- The row of an import that begins or goes on, locked; the last key to copy, if that is known; and
-- how to make the trigger, if that is wanted. What a trigger has taken since an earlier beginning
-- is not copied again. `adopt` takes over an import that seems to run.
CREATE FUNCTION keypool.begin_import(
  work jsonb, adopt bool, OUT import_id bigint, OUT last_key text[], OUT make_trigger text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wanted CONSTANT regclass := (work ->> 'source')::oid;
  job keypool.request_imports;
BEGIN
  -- An oid may come again one day.
  UPDATE keypool.request_imports i SET source = NULL
   WHERE i.source IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = i.source);
  INSERT INTO keypool.request_imports (source, source_name, importer, state)
  VALUES (wanted, wanted::text, work ->> 'importer', 'stopped')
  ON CONFLICT ON CONSTRAINT request_imports_source_key DO NOTHING;
  SELECT * INTO job FROM keypool.request_imports i
   WHERE i.source = wanted FOR UPDATE;
  IF job.state = 'running' AND NOT adopt THEN
    RAISE EXCEPTION '% is being imported already', wanted
      USING ERRCODE = 'object_in_use', HINT = 'See keypool.import_progress.';
  END IF;
  last_key := CASE WHEN job.follow THEN job.up_to
                   WHEN jsonb_typeof(work -> 'up_to') = 'array'
                     THEN ARRAY(SELECT jsonb_array_elements_text(work -> 'up_to')) END;
  UPDATE keypool.request_imports i
     SET state = 'running', importer = work ->> 'importer', columns = work -> 'columns',
         source_name = wanted::text, row_statements = p.statements,
         row_columns = p.row_columns, row_version = i.row_version + 1,
         days = CASE WHEN jsonb_typeof(work -> 'days') = 'array'
                     THEN ARRAY(SELECT jsonb_array_elements_text(work -> 'days')::date) END,
         key_columns = (SELECT k.names FROM keypool.import_key(wanted) k),
         up_to = last_key,
         rows_total = (work ->> 'total')::bigint, rows_read = 0, attempts = 0, error = NULL,
         started_at = clock_timestamp(), updated_at = clock_timestamp(), finished_at = NULL
    FROM keypool.plan_import_row(job.id, wanted, work -> 'columns') p
   WHERE i.id = job.id;
  import_id := job.id;
  IF (work ->> 'follow')::bool AND NOT job.follow THEN
    make_trigger := format('CREATE OR REPLACE TRIGGER keypool_follow AFTER INSERT ON %s'
                           ' FOR EACH ROW EXECUTE FUNCTION keypool.follow_request(%L)',
                           wanted, job.id);
  END IF;
END
$$;

-- Other columns for an import whose trigger is all that goes on.
CREATE FUNCTION keypool.change_import(source regclass, columns jsonb)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE keypool.request_imports i
     SET columns = change_import.columns, row_statements = p.statements,
         row_columns = p.row_columns,
         row_version = i.row_version + 1, updated_at = clock_timestamp()
    FROM keypool.request_imports old
    CROSS JOIN LATERAL keypool.plan_import_row(old.id, old.source, change_import.columns) p
   WHERE old.source = change_import.source AND i.id = old.id
$$;

-- Everything up to the last key is copied.
CREATE FUNCTION keypool.finish_import(import_id bigint)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM keypool.request_import_notes n WHERE n.import_id = finish_import.import_id;
  UPDATE keypool.request_imports i
     SET state = 'done', reached = coalesce(i.up_to, i.reached), days = NULL, attempts = 0,
         error = NULL, updated_at = clock_timestamp(), finished_at = clock_timestamp()
   WHERE i.id = finish_import.import_id;
$$;

-- Whatever state a dump found an import in: where it is restored, its source may not be complete
-- yet, and nobody is waiting for it.
CREATE FUNCTION keypool.stop_restored_import()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.state = 'running' THEN
    NEW.state := 'stopped';
  END IF;
  RETURN NEW;
END
$$;

-- Restores often run as replica: hence ALWAYS.
CREATE TRIGGER stop_restored_import
  BEFORE INSERT ON keypool.request_imports
  FOR EACH ROW EXECUTE FUNCTION keypool.stop_restored_import();
ALTER TABLE keypool.request_imports ENABLE ALWAYS TRIGGER stop_restored_import;
