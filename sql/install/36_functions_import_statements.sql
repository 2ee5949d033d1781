-- The statements that copy a table into the log.
--
-- Two take turns. One reads the source, with the rights of whoever asked for the import: whatever
-- the source's owner has hung on his table or type runs with those, never with ours. The other
-- writes to the log, as its owner, and sees only what the first has read: built-in types, on which
-- only built-in functions are used. Nothing of a mapping gets into either but quoted.

-- A batch as rows of the log: each column with its value, typed as what it came from, or NULL; what
-- keypool knows of the provider and the key; and the row's key in its source. Of many rows the
-- providers' names are looked up all at once.
CREATE FUNCTION keypool.import_rows(source regclass, columns jsonb, batch text, many bool)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format(
    'SELECT v.*, %s FROM (SELECT %s, %s AS source_key FROM %s b) v%s%s',
    concat_ws(', ',
      CASE WHEN bool_or(t.name = 'provider' AND o.target IS NOT NULL)
           THEN 'p.name AS provider_name' ELSE 'NULL::text AS provider_name' END,
      CASE WHEN bool_or(t.name = 'api_key_id' AND (o.kind = 'own key' OR o.map IS NOT NULL))
           THEN 'k.provider AS key_provider, k.key_source AS key_owner'
           ELSE 'NULL::text AS key_provider, NULL::text AS key_owner' END),
    string_agg(format('%s AS %I',
                      coalesce(keypool.import_expression(o.kind, o.origin, o.type, o.value, o.map,
                                                         o.parts),
                               'NULL::' || CASE t.kind WHEN 'number' THEN 'bigint'
                                             WHEN 'money' THEN 'numeric' WHEN 'flag' THEN 'bool'
                                             WHEN 'key' THEN 'bigint' WHEN 'json' THEN 'jsonb'
                                             WHEN 'bytes' THEN 'bytea' ELSE 'text' END),
                      t.name), ', '),
    coalesce((SELECT format('ARRAY[%s]', string_agg(format('b.%I::text COLLATE "C"', n), ', '
                                                  ORDER BY place))
              FROM keypool.import_key(source) k, unnest(k.names) WITH ORDINALITY AS n (n, place)
              HAVING count(*) > 0),
             'NULL::text[]'),
    batch,
    CASE WHEN NOT bool_or(t.name = 'provider' AND o.target IS NOT NULL) THEN ''
         WHEN many THEN
      ' LEFT JOIN (SELECT DISTINCT ON (a.alias) a.alias, a.name'
      ' FROM (SELECT name AS alias, name, 1 AS rank FROM keypool.providers'
      '       UNION ALL SELECT unnest(aliases), name, 2 FROM keypool.providers) a'
      ' ORDER BY a.alias, a.rank, a.name) p ON p.alias = lower(v.provider) COLLATE "C"'
         ELSE
      ' LEFT JOIN LATERAL (SELECT a.name FROM keypool.providers a'
      ' WHERE lower(v.provider) COLLATE "C" = ANY (a.name || a.aliases)'
      ' ORDER BY a.name <> lower(v.provider) COLLATE "C", a.name LIMIT 1) p ON true' END,
    CASE WHEN bool_or(t.name = 'api_key_id' AND (o.kind = 'own key' OR o.map IS NOT NULL)) THEN
      ' LEFT JOIN keypool.api_keys k ON k.id = v.api_key_id' END)
  FROM keypool.import_targets() t
  LEFT JOIN keypool.import_origins(source, columns) o ON o.target = t.name
$$;

-- Why a row w of import_rows() cannot be one of the log; NULL when it can.
CREATE FUNCTION keypool.import_refusal()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'CASE WHEN w.created_at IS NULL THEN ''created_at is null'''
         ' WHEN NOT isfinite(w.created_at) THEN ''created_at is infinite'''
         ' WHEN w.is_anonymous AND (w.user_id IS NOT NULL OR w.api_key_id IS NOT NULL)'
         '   THEN ''an anonymous request cannot have a user or an API key'''
         || string_agg(CASE t.kind
              WHEN 'number' THEN format(' WHEN w.%1$I < 0 THEN ''%1$s is negative'''
                                        ' WHEN w.%1$I > 2147483647 THEN ''%1$s is too large''',
                                        t.name)
              WHEN 'money' THEN format(' WHEN w.%1$I < 0 THEN ''%1$s is negative'''
                                       ' WHEN w.%1$I >= 1e6 THEN ''%1$s is too large''', t.name)
            END, '') || ' END'
  FROM keypool.import_targets() t
$$;

-- Columns of the log, and what goes into them of a row w.
CREATE FUNCTION keypool.import_insertion(OUT names text, OUT expressions text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT string_agg(quote_ident(c.name), ', '), string_agg(c.expression, ', ')
  FROM (
    SELECT t.name,
           CASE WHEN t.name = 'provider'
                  THEN 'coalesce(w.provider_name, w.provider, w.key_provider)'
                WHEN t.name = 'key_source' THEN 'coalesce(w.key_source, w.key_owner)'
                WHEN t.name = 'is_anonymous'
                  THEN 'coalesce(w.is_anonymous, w.user_id IS NULL AND w.api_key_id IS NULL'
                       ' AND w.api_key_fingerprint IS NULL)'
                WHEN t.name = 'status' THEN 'coalesce(w.status, ''completed'')'
                WHEN t.name = 'attempt' THEN 'coalesce(w.attempt, 1)::int'
                WHEN t.name ~ '_tokens$' THEN format('coalesce(w.%I, 0)::int', t.name)
                WHEN t.kind = 'number' THEN format('w.%I::int', t.name)
                ELSE format('w.%I', t.name) END AS expression
    FROM keypool.import_targets() t
    UNION ALL
    VALUES ('pricing_source', 'CASE WHEN w.cost_usd IS NULL THEN ''unknown'' ELSE ''given'' END')
  ) AS c
$$;

-- Inserts the rows of a batch that can be; skips, where the log has a request of that name already;
-- answers with one row at least: how many it has inserted, and each row it has not, with a reason.
CREATE FUNCTION keypool.careful_import(rows text, condition text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format(
    'WITH judged AS MATERIALIZED ('
    '  SELECT nextval(''keypool.chat_completion_requests_id_seq'') AS log_id, w.*, %s AS refusal'
    '  FROM (%s) w WHERE %s), '
    'logged AS ('
    '  INSERT INTO keypool.chat_completion_requests (id, %s)'
    '  SELECT w.log_id, %s FROM judged w WHERE w.refusal IS NULL'
    '  ON CONFLICT DO NOTHING RETURNING id) '
    'SELECT t.copied, r.log_id IS NOT NULL, r.source_key,'
    '  coalesce(r.refusal, ''a request of this request_id and attempt is logged already'')'
    ' FROM (SELECT count(*) AS copied FROM logged) t'
    ' LEFT JOIN judged r ON r.log_id NOT IN (SELECT id FROM logged)',
    keypool.import_refusal(), rows, condition, i.names, i.expressions)
  FROM keypool.import_insertion() i
$$;

-- The columns that are read of a source, as what.
CREATE FUNCTION keypool.import_reads(source regclass, columns jsonb)
RETURNS TABLE (name text, expression text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.name, format('s.%I::pg_catalog.%I', c.name, t.typname)
  FROM keypool.import_source_columns(source) c
  JOIN pg_type t ON t.oid = c.type
  WHERE c.name IN (SELECT unnest(k.names) FROM keypool.import_key(source) k)
     OR c.name IN (SELECT unnest(o.parts || o.origin)
                   FROM keypool.import_origins(source, columns) o)
  ORDER BY c.number
$$;

-- The statements that read a source. Parameters: $1 the key after which to begin, $2 the last one
-- to take, $3 how many rows; each may be NULL.
CREATE FUNCTION keypool.plan_import_reading(
  source regclass, columns jsonb, OUT read text, OUT highest text, OUT survey text,
  OUT own_keys text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key text;
  first text;
  last text;
  range text := 'true';
  moment text;
BEGIN
  SELECT string_agg(format('s.%I', n), ', ' ORDER BY place),
         string_agg(format('($1[%s])::pg_catalog.%I', place, t.typname), ', ' ORDER BY place),
         string_agg(format('($2[%s])::pg_catalog.%I', place, t.typname), ', ' ORDER BY place),
         format('SELECT ARRAY[%s] FROM %s s ORDER BY %s LIMIT 1',
                string_agg(format('s.%I::pg_catalog.text', n), ', ' ORDER BY place), source,
                string_agg(format('s.%I DESC', n), ', ' ORDER BY place))
    INTO key, first, last, highest
    FROM keypool.import_key(source) k,
         unnest(k.names, k.types) WITH ORDINALITY AS n (n, type, place)
    JOIN pg_type t ON t.oid = type;
  IF key IS NOT NULL THEN
    range := format('($1 IS NULL OR (%1$s) OPERATOR(pg_catalog.>) (%2$s))'
                    ' AND ($2 IS NULL OR (%1$s) OPERATOR(pg_catalog.<=) (%3$s))', key, first, last);
  END IF;
  read := format('SELECT %s FROM %s s WHERE %s%s LIMIT $3',
                 (SELECT string_agg(format('%s AS %I', r.expression, r.name), ', ')
                  FROM keypool.import_reads(source, columns) r),
                 source, range, ' ORDER BY ' || key);
  SELECT keypool.import_value(o.kind, o.type, format('s.%I', o.origin)) INTO moment
    FROM keypool.import_origins(source, columns) o
   WHERE o.target = 'created_at' AND o.type <> 'text'::regtype;
  survey := format(
    'SELECT sum(d.rows)::bigint, array_agg(d.day)::text'
    ' FROM (SELECT ((%s) AT TIME ZONE ''UTC'')::date AS day, count(*) AS rows'
    '       FROM %s s WHERE %s GROUP BY 1) d',
    coalesce(moment, 'NULL::timestamptz'), source, range);
  SELECT format('SELECT array_agg(d.id) FROM (SELECT DISTINCT %s AS id FROM %s s LIMIT 10000) d',
                keypool.import_value(o.kind, o.type, format('s.%I', o.origin)), source)
    INTO own_keys
    FROM keypool.import_origins(source, columns) o
   WHERE o.kind = 'own key' AND o.origin IS NOT NULL;
END
$$;

-- The statements that write what was read, which they see as a table keypool_batch. Parameters: $1
-- and $2 are OFFSET and LIMIT of the rows to take; `place` answers with the key of the row at $1.
CREATE FUNCTION keypool.plan_import_writing(
  import_id bigint, source regclass, columns jsonb, follow bool, OUT fast text, OUT refusals text,
  OUT careful text, OUT place text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rows CONSTANT text := keypool.import_rows(
    source, columns, '(SELECT * FROM keypool_batch OFFSET $1 LIMIT $2)', true);
  refusal CONSTANT text := keypool.import_refusal();
  insertion CONSTANT record := keypool.import_insertion();
  -- Not taken by the trigger.
  fresh CONSTANT text := CASE WHEN follow THEN format(
    'NOT EXISTS (SELECT FROM keypool.request_import_notes n'
    ' WHERE n.import_id = %s AND n.source_key = w.source_key)', import_id) ELSE 'true' END;
BEGIN
  fast := format('INSERT INTO keypool.chat_completion_requests (%s) SELECT %s FROM (%s) w'
                 ' WHERE (%s) IS NULL AND %s',
                 insertion.names, insertion.expressions, rows, refusal, fresh);
  refusals := format('SELECT w.source_key, %s FROM (%s) w WHERE (%s) IS NOT NULL AND %s',
                     refusal, rows, refusal, fresh);
  careful := keypool.careful_import(rows, fresh);
  place := format('SELECT w.source_key FROM (%s) w', rows);
END
$$;

-- The statements of the trigger, whose parameters are the columns that are read, in their order: one
-- inserts a row, one says why it did not, and one notes its key while the import has yet to pass it.
CREATE FUNCTION keypool.plan_import_row(
  import_id bigint, source regclass, columns jsonb, OUT statements text[], OUT row_columns text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  insertion CONSTANT record := keypool.import_insertion();
  rows text;
  is_ahead text;
BEGIN
  SELECT keypool.import_rows(source, columns,
                             format('(SELECT %s)', string_agg(format('$%s AS %I', r.number, r.name),
                                                              ', ' ORDER BY r.number)), false),
         array_agg(r.name ORDER BY r.number)
    INTO rows, row_columns
    FROM keypool.import_reads(source, columns) WITH ORDINALITY AS r (name, expression, number);
  -- A key of text has an order that only its column knows: then each row is noted.
  SELECT CASE WHEN 'text'::regtype = ANY (k.types) THEN 'true' ELSE
           (SELECT format('(%s) <= (%s)',
                          string_agg(format('w.source_key[%s]::%I', p, t.typname), ', ' ORDER BY p),
                          string_agg(format('i.up_to[%s]::%I', p, t.typname), ', ' ORDER BY p))
            FROM unnest(k.types) WITH ORDINALITY AS n (type, p)
            JOIN pg_type t ON t.oid = n.type) END
    INTO is_ahead
    FROM keypool.import_key(source) k;
  statements := ARRAY[
    format('INSERT INTO keypool.chat_completion_requests (%s) SELECT %s FROM (%s) w'
           ' WHERE (%s) IS NULL',
           insertion.names, insertion.expressions, rows, keypool.import_refusal()),
    format('SELECT %s FROM (%s) w', keypool.import_refusal(), rows),
    format('INSERT INTO keypool.request_import_notes SELECT i.id, w.source_key'
           ' FROM (%s) w JOIN keypool.request_imports i ON i.id = %s AND %s'
           ' ON CONFLICT DO NOTHING', rows, import_id, coalesce(is_ahead, 'false'))];
END
$$;
