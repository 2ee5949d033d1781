-- The price list: importing it, keeping apart what is built in, and pricing anew what was logged.

CREATE FUNCTION @extschema@.import_prices(prices jsonb, OUT added int, OUT updated int,
                                          OUT skipped int)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_import_prices';

CREATE FUNCTION @extschema@.reprice_requests(
  provider text = NULL, model text = NULL, since timestamptz = NULL, until timestamptz = NULL,
  batch int = 10000)
RETURNS TABLE (step text, rows bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2 AS 'MODULE_PATHNAME', 'keypool_reprice_requests';

-- Prices in nano-dollars per million tokens, from now on; from ever, where a model had none. A
-- negative price of cached tokens says that there is none. A price given again that was built in is
-- the user's from then on. Of a model given twice the last counts. How many were added, updated,
-- and the same already.
CREATE FUNCTION keypool.set_prices(
  providers text[], models text[], inputs bigint[], outputs bigint[], cached bigint[],
  sources text[], OUT added bigint, OUT updated bigint, OUT unchanged bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Two imports at once would both add what neither sees. Readers, and so logging, go on.
  LOCK TABLE keypool.model_prices IN SHARE ROW EXCLUSIVE MODE;
  WITH given AS MATERIALIZED (
    SELECT DISTINCT ON (g.provider, g.model)
           g.provider COLLATE "C" AS provider, g.model COLLATE "C" AS model,
           g.input * 0.000000001 AS input_cost, g.output * 0.000000001 AS output_cost,
           CASE WHEN g.cached >= 0 THEN g.cached * 0.000000001 END AS cached_input_cost,
           g.source || to_char(now() AT TIME ZONE 'UTC', '" (imported "YYYY-MM-DD")"') AS source
    FROM unnest(providers, models, inputs, outputs, cached, sources) WITH ORDINALITY
         AS g (provider, model, input, output, cached, source, place)
    ORDER BY g.provider, g.model, g.place DESC
  ), compared AS MATERIALIZED (
    SELECT g.*, p.valid_from, p.builtin,
           (p.input_cost, p.output_cost, p.cached_input_cost)
           IS NOT DISTINCT FROM (g.input_cost, g.output_cost, g.cached_input_cost) AS is_same
    FROM given g
    LEFT JOIN LATERAL (
      SELECT m.* FROM keypool.model_prices m
      WHERE m.provider = g.provider AND m.model = g.model AND m.valid_from <= now()
      ORDER BY m.valid_from DESC LIMIT 1) p ON true
  ), written AS (
    INSERT INTO keypool.model_prices AS m (provider, model, input_cost, output_cost,
                                           cached_input_cost, valid_from, source)
    SELECT c.provider, c.model, c.input_cost, c.output_cost, c.cached_input_cost,
           CASE WHEN c.valid_from IS NULL THEN '-infinity' ELSE now() END, c.source
    FROM compared c
    WHERE NOT c.is_same
    ON CONFLICT (provider, model, valid_from) DO UPDATE
      SET input_cost = excluded.input_cost, output_cost = excluded.output_cost,
          cached_input_cost = excluded.cached_input_cost, source = excluded.source
  ), taken_over AS (
    UPDATE keypool.model_prices m SET builtin = false, source = c.source
    FROM compared c
    WHERE c.is_same AND c.builtin
      AND m.provider = c.provider AND m.model = c.model AND m.valid_from = c.valid_from
  )
  SELECT count(*) FILTER (WHERE c.valid_from IS NULL),
         count(*) FILTER (WHERE c.valid_from IS NOT NULL AND (NOT c.is_same OR c.builtin)),
         count(*) FILTER (WHERE c.is_same AND NOT c.builtin)
  INTO added, updated, unchanged
  FROM compared c;
END
$$;

-- Step by step through the partitions, as keypool.backfill() does. What was priced by the list, and
-- what has no price; what was given stays.
CREATE FUNCTION keypool.reprice(provider text, model text, since timestamptz, until timestamptz,
                                batch int)
RETURNS TABLE (step text, rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- A part that is NULL, because its argument is, falls away.
  condition CONSTANT text := concat_ws(' AND ', 'true',
    'r.provider = ' || quote_literal(provider), 'r.model = ' || quote_literal(model),
    'r.created_at >= ' || quote_literal(since), 'r.created_at < ' || quote_literal(until));
  which text;
BEGIN
  FOR step, which IN
    VALUES ('priced', 'r.cost_usd IS NULL'),
           ('repriced', 'r.cost_usd IS NOT NULL AND r.pricing_source = ''model_prices''')
  LOOP
    rows := (
      SELECT coalesce(sum(keypool.backfill_partition(t.relid, keypool.pricing_statement(which),
                                                     batch, condition)), 0)
      FROM pg_partition_tree('keypool.chat_completion_requests') t
      JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'r'
      LEFT JOIN keypool.request_partitions() d ON d.partition = t.relid
      WHERE d.day IS NULL
         OR (keypool.start_of_day(d.day) < coalesce(until, 'infinity')
             AND keypool.start_of_day(d.day + 1) > coalesce(since, '-infinity')));
    RETURN NEXT;
  END LOOP;
END
$$;

-- A dump carries the prices that people wrote. Restored, one meets the built-in row that CREATE
-- EXTENSION made, and takes its place; so does any price that is inserted.
CREATE FUNCTION keypool.replace_builtin_price()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE keypool.model_prices p
     SET (input_cost, output_cost, cached_input_cost, source, builtin)
       = (NEW.input_cost, NEW.output_cost, NEW.cached_input_cost, NEW.source, NEW.builtin)
   WHERE p.provider = NEW.provider AND p.model = NEW.model AND p.valid_from = NEW.valid_from
     AND p.builtin;
  IF FOUND THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END
$$;

-- Restores often run as replica: hence ALWAYS.
CREATE TRIGGER replace_builtin_price
  BEFORE INSERT ON keypool.model_prices
  FOR EACH ROW EXECUTE FUNCTION keypool.replace_builtin_price();
ALTER TABLE keypool.model_prices ENABLE ALWAYS TRIGGER replace_builtin_price;

-- An upgrade script that corrects a built-in row disables this one meanwhile.
CREATE TRIGGER mark_price_edited
  BEFORE UPDATE ON keypool.model_prices
  FOR EACH ROW
  WHEN (OLD.builtin AND NEW.builtin AND OLD.* IS DISTINCT FROM NEW.*)
  EXECUTE FUNCTION keypool.mark_edited();
