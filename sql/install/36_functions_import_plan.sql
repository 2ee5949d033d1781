-- From a table's columns and a mapping to where each column of the log comes from. The statements
-- that this becomes are made in 36_functions_import_statements.sql.

-- What can be imported. `by_name`: also when nobody asked for it. A fingerprint and a key's source
-- of another system mean nothing here.
CREATE FUNCTION keypool.import_targets()
RETURNS TABLE (name text, kind text, by_name bool)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 23
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('created_at', 'time', true), ('provider', 'name', true), ('model', 'name', true),
    ('user_id', 'name', true), ('organization_id', 'name', true), ('api_key_id', 'key', true),
    ('api_key_fingerprint', 'bytes', false), ('key_source', 'name', false),
    ('is_anonymous', 'flag', true), ('input_tokens', 'number', true),
    ('output_tokens', 'number', true), ('cached_tokens', 'number', true),
    ('cost_usd', 'money', true), ('input_cost_usd', 'money', true),
    ('output_cost_usd', 'money', true), ('processing_time_ms', 'number', true),
    ('status', 'text', true), ('http_status', 'number', true), ('error_type', 'name', true),
    ('error_message', 'text', true), ('request_id', 'name', true), ('attempt', 'number', true),
    ('session_id', 'name', true), ('trace_id', 'name', true), ('metadata', 'json', true)
$$;

-- The columns of a source, with the types they are read as: a domain as what it stands for, and
-- what is not one of these built-in types as text, in whose order it then may not be.
CREATE FUNCTION keypool.import_source_columns(source regclass)
RETURNS TABLE (name text, type regtype, in_order bool, number smallint)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE stripped AS (
    SELECT a.attname, a.attnum, a.attnotnull, a.atttypid AS type
    FROM pg_attribute a
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT s.attname, s.attnum, s.attnotnull, t.typbasetype
    FROM stripped s JOIN pg_type t ON t.oid = s.type AND t.typtype = 'd'
  )
  SELECT s.attname::text,
         CASE WHEN s.type = ANY ('{int2,int4,int8,numeric,float4,float8,bool,uuid,timestamptz,
                                   timestamp,date,json,jsonb,bytea}'::regtype[])
              THEN s.type ELSE 'text'::regtype END,
         s.attnotnull AND s.type = ANY ('{int2,int4,int8,numeric,uuid,timestamptz,timestamp,date,
                                          text,varchar}'::regtype[]),
         s.attnum
  FROM stripped s JOIN pg_type t ON t.oid = s.type AND t.typtype <> 'd'
$$;

-- The columns by which the rows of a source can be taken one after the other: its primary key, else
-- a unique index on columns that are never NULL. `grows`: new rows have higher keys than old ones,
-- as far as a type can tell. None where a child table may repeat the keys of its parent.
CREATE FUNCTION keypool.import_key(source regclass)
RETURNS TABLE (names text[], types regtype[], grows bool)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT k.names, k.types,
         k.types[1] = ANY ('{int2,int4,int8,numeric,timestamptz,timestamp}'::regtype[])
  FROM pg_class c
  JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                 AND i.indpred IS NULL AND i.indexprs IS NULL
  CROSS JOIN LATERAL (
    SELECT array_agg(s.name ORDER BY a.place) AS names, array_agg(s.type ORDER BY a.place) AS types
    FROM unnest(i.indkey[0 : i.indnkeyatts - 1]) WITH ORDINALITY AS a (number, place)
    JOIN keypool.import_source_columns(source) s ON s.number = a.number AND s.in_order
  ) AS k
  WHERE c.oid = source AND cardinality(k.names) = i.indnkeyatts
    AND (c.relkind = 'p'
         OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid))
  ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
  LIMIT 1
$$;

-- An expression of some type as a value of some kind; NULL when the one cannot be the other.
CREATE FUNCTION keypool.import_value(kind text, type regtype, expression text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format(
    CASE
      WHEN kind = 'name' THEN 'nullif((%s)::text, '''')'
      WHEN kind = 'text' THEN '(%s)::text'
      WHEN kind = 'json' AND type = ANY ('{json,jsonb,text}'::regtype[]) THEN '(%s)::jsonb'
      WHEN kind = 'json' THEN 'to_jsonb(%s)'
      WHEN kind = 'bytes' AND type = 'bytea'::regtype THEN '%s'
      WHEN kind = 'time' AND type = ANY ('{timestamptz,text}'::regtype[]) THEN '(%s)::timestamptz'
      WHEN kind = 'time' AND type = ANY ('{timestamp,date}'::regtype[])
        THEN '(%s)::timestamp AT TIME ZONE ''UTC'''
      WHEN kind = 'flag' AND type = ANY ('{bool,text}'::regtype[]) THEN '(%s)::bool'
      WHEN kind = 'flag' AND type = ANY ('{int2,int4,int8}'::regtype[]) THEN '(%s) <> 0'
      WHEN kind = 'number' AND type = ANY ('{int2,int4,int8}'::regtype[]) THEN '(%s)::bigint'
      WHEN kind = 'own key' AND type = ANY ('{int2,int4,int8,numeric,text}'::regtype[])
        THEN '(%s)::bigint'
      WHEN kind IN ('number', 'money')
       AND type = ANY ('{int2,int4,int8,numeric,float4,float8,text}'::regtype[])
        THEN '(%s)::numeric'
      -- A key of another system: its number, negative, so that it is nobody's key here.
      WHEN kind = 'foreign key' AND type = ANY ('{int2,int4,int8}'::regtype[])
        THEN '-abs((%s)::bigint)'
      WHEN kind = 'foreign key'
        THEN '-1 - (hashtextextended(nullif((%s)::text, ''''), 0) & 9223372036854775806)'
    END, expression)
$$;

-- Where each column of the log comes from; one row for each that has an origin at all.
CREATE FUNCTION keypool.import_origins(source regclass, columns jsonb)
RETURNS TABLE (target text, kind text, origin text, type regtype, value jsonb, map jsonb,
               parts text[])
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.name,
         CASE WHEN t.kind <> 'key' THEN t.kind
              WHEN asked.spec IS NULL OR asked.spec ? 'map' THEN 'foreign key'
              ELSE 'own key' END,
         c.name, c.type, asked.spec -> 'value', asked.spec -> 'map', parts.names
  FROM keypool.import_targets() t
  CROSS JOIN LATERAL (
    SELECT CASE jsonb_typeof(columns -> t.name)
             WHEN 'string' THEN jsonb_build_object('column', columns -> t.name)
             WHEN 'object' THEN columns -> t.name
             WHEN 'null' THEN '{}' END AS spec
  ) AS asked
  LEFT JOIN keypool.import_source_columns(source) c
    ON c.name = CASE WHEN asked.spec IS NULL AND t.by_name THEN t.name
                     WHEN asked.spec ? 'map' THEN coalesce(asked.spec ->> 'column', t.name)
                     ELSE asked.spec ->> 'column' END
  LEFT JOIN LATERAL (
    SELECT array_agg(p.name) AS names
    FROM jsonb_array_elements_text(asked.spec -> 'columns') AS p (name)
  ) AS parts ON true
  WHERE c.name IS NOT NULL OR asked.spec ? 'value' OR parts.names IS NOT NULL
$$;

CREATE FUNCTION keypool.import_expression(kind text, origin text, type regtype, value jsonb,
                                          map jsonb, parts text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
    WHEN parts IS NOT NULL THEN (
      SELECT format('jsonb_build_object(%s)', string_agg(format('%L, b.%I', p, p), ', '))
      FROM unnest(parts) AS p)
    WHEN kind = 'foreign key' AND map IS NOT NULL
      THEN format('coalesce((%L::jsonb ->> b.%I::text)::bigint, %s)', map, origin,
                  keypool.import_value(kind, type, format('b.%I', origin)))
    WHEN map IS NOT NULL
      THEN keypool.import_value(kind, 'text',
                                format('coalesce(%L::jsonb ->> b.%I::text, b.%I::text)', map,
                                       origin, origin))
    WHEN value IS NOT NULL
      THEN keypool.import_value(kind, 'text', quote_literal(CASE kind WHEN 'json' THEN value::text
                                                             ELSE value #>> '{}' END))
    WHEN origin IS NOT NULL THEN keypool.import_value(kind, type, format('b.%I', origin))
  END
$$;

-- The forms of a column's origin as one: {"column"}, {"column", "map"}, {"value"} or {"columns"}.
CREATE FUNCTION keypool.is_import_spec(target text, spec jsonb)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
    WHEN jsonb_typeof(spec) IN ('string', 'null') THEN true
    WHEN jsonb_typeof(spec) <> 'object' THEN false
    WHEN spec ? 'map' THEN (spec - 'map' - 'column') = '{}'
      AND jsonb_typeof(spec -> 'map') = 'object'
    WHEN spec ? 'column' THEN (spec - 'column') = '{}'
    WHEN spec ? 'value' THEN (spec - 'value') = '{}'
      AND (target = 'metadata' OR jsonb_typeof(spec -> 'value') IN ('string', 'number', 'boolean'))
    WHEN spec ? 'columns' THEN (spec - 'columns') = '{}' AND target = 'metadata'
      AND jsonb_typeof(spec -> 'columns') = 'array'
      AND jsonb_array_length(spec -> 'columns') BETWEEN 1 AND 50
    ELSE false END
$$;

-- The columns of the source that a mapping names for one of ours.
CREATE FUNCTION keypool.named_in_import(target text, spec jsonb)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT spec #>> '{}' WHERE jsonb_typeof(spec) = 'string'
  UNION ALL
  SELECT coalesce(spec ->> 'column', target)
  WHERE jsonb_typeof(spec) = 'object' AND spec ?| '{column,map}'
  UNION ALL
  SELECT jsonb_array_elements_text(CASE WHEN jsonb_typeof(spec) = 'object'
                                        THEN spec -> 'columns' END)
$$;

CREATE FUNCTION keypool.check_import_column(source regclass, target text, spec jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wrong text;
BEGIN
  IF NOT EXISTS (SELECT FROM keypool.import_targets() t WHERE t.name = target) THEN
    RAISE EXCEPTION 'column "%" of the request log cannot be imported', target
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'These can: ' || (SELECT string_agg(t.name, ', ')
                                     FROM keypool.import_targets() t) || '.';
  END IF;
  IF NOT keypool.is_import_spec(target, spec) THEN
    RAISE EXCEPTION 'cannot tell where column "%" comes from: %', target, left(spec::text, 100)
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give the name of a column, null for none, {"value": constant}, '
                   '{"column": name, "map": {"their value": "ours"}} or, for metadata, '
                   '{"columns": [up to 50 names]}.';
  END IF;
  SELECT n INTO wrong
  FROM keypool.named_in_import(target, spec) AS n
  WHERE NOT EXISTS (SELECT FROM keypool.import_source_columns(source) c WHERE c.name = n);
  IF FOUND THEN
    RAISE EXCEPTION 'column "%" of table % does not exist', wrong, source
      USING ERRCODE = 'undefined_column',
            HINT = 'It has: ' || (SELECT string_agg(c.name, ', ' ORDER BY c.number)
                                  FROM keypool.import_source_columns(source) c) || '.';
  END IF;
  IF target <> 'api_key_id' OR jsonb_typeof(spec) <> 'object' THEN
    RETURN;
  END IF;
  SELECT id INTO wrong
  FROM (SELECT spec ->> 'value' AS id WHERE spec ? 'value'
        UNION ALL SELECT m.value FROM jsonb_each_text(coalesce(spec -> 'map', '{}')) AS m) AS ours
  WHERE NOT EXISTS (SELECT FROM keypool.api_keys k WHERE k.id::text = ours.id);
  IF FOUND THEN
    RAISE EXCEPTION 'key % does not exist', wrong
      USING ERRCODE = 'undefined_object',
            HINT = 'A map of api_key_id leads from ids of the source to ids of keypool.api_keys.';
  END IF;
END
$$;

-- Refuses, with a reason, what could not be imported; `importer` is who asks.
CREATE FUNCTION keypool.check_import(source regclass, columns jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unfit record;
  constant text;
BEGIN
  IF jsonb_typeof(columns) <> 'object' THEN
    RAISE EXCEPTION 'columns must be a JSON object'
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It leads from columns of the log to columns of the source, as in '
                   '{"model": "model_name", "provider": {"value": "openai"}}.';
  END IF;
  PERFORM keypool.check_import_column(source, c.key, c.value) FROM jsonb_each(columns) AS c;
  SELECT o.* INTO unfit
  FROM keypool.import_origins(source, columns) o
  WHERE keypool.import_expression(o.kind, o.origin, o.type, o.value, o.map, o.parts) IS NULL;
  IF FOUND THEN
    RAISE EXCEPTION 'column "%" of type % cannot become %', unfit.origin, unfit.type, unfit.target
      USING ERRCODE = 'datatype_mismatch',
            HINT = format('Name another column for it, or none: {%s: null}.',
                          to_json(unfit.target));
  END IF;
  -- A constant that is none fails now, and not with each row.
  FOR constant IN
    SELECT keypool.import_expression(o.kind, o.origin, o.type, o.value, o.map, o.parts)
    FROM keypool.import_origins(source, columns) o WHERE o.value IS NOT NULL
  LOOP
    EXECUTE 'SELECT ' || constant;
  END LOOP;
  IF NOT EXISTS (SELECT FROM keypool.import_origins(source, columns) o
                 WHERE o.target = 'created_at') THEN
    RAISE EXCEPTION 'table % has no column created_at', source
      USING ERRCODE = 'undefined_column',
            HINT = 'Name the column that says when a request was made: '
                   '{"created_at": "its_name"}.';
  END IF;
END
$$;
