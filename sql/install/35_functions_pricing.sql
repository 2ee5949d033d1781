-- How SQL prices requests that are logged already: as core/price.cpp and store/prices.cpp do it for
-- those that come in. One statement, for backfill_requests() and reprice_requests() alike.

-- Costs: each part is rounded once, half up, to a whole nano-dollar; the product is exact, which a
-- quotient would not be. A price for the model as it was logged goes before one for its name
-- without the provider ("openai/gpt-4o" of openai is gpt-4o, where nothing else is said). A cost of
-- a million dollars is a mistake in the list. What has no price stays as it is.
--
-- %1$s is a partition, %2$s a condition on its rows r, and so is `which`.
CREATE FUNCTION keypool.pricing_statement(which text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT $step$
    UPDATE %1$s old
       SET cost_usd = p.input + p.output, input_cost_usd = p.input, output_cost_usd = p.output,
           pricing_source = 'model_prices'
      FROM (
        WITH prices AS MATERIALIZED (
          SELECT *, lead(valid_from, 1, 'infinity')
                      OVER (PARTITION BY provider, model ORDER BY valid_from) AS valid_until
          FROM keypool.model_prices)
        SELECT r.ctid AS place,
               round((greatest(r.input_tokens::bigint - r.cached_tokens, 0) * m.input_cost
                      + r.cached_tokens * coalesce(m.cached_input_cost, m.input_cost))
                     * 0.000001, 9) AS input,
               round(r.output_tokens * m.output_cost * 0.000001, 9) AS output
        FROM %1$s r
        LEFT JOIN prices a
          ON a.provider = r.provider AND a.model = r.model
         AND r.created_at >= a.valid_from AND r.created_at < a.valid_until
        LEFT JOIN prices b
          ON a.model IS NULL AND starts_with(r.model, r.provider || '/')
         AND b.provider = r.provider AND b.model = substr(r.model, length(r.provider) + 2)
         AND r.created_at >= b.valid_from AND r.created_at < b.valid_until
        CROSS JOIN LATERAL (
          SELECT coalesce(a.input_cost, b.input_cost) AS input_cost,
                 coalesce(a.output_cost, b.output_cost) AS output_cost,
                 CASE WHEN a.model IS NULL THEN b.cached_input_cost
                      ELSE a.cached_input_cost END AS cached_input_cost) m
        WHERE %2$s AND m.input_cost IS NOT NULL AND $step$ || which || $step$) p
     WHERE old.ctid = p.place AND p.input + p.output < 1e6
       AND (old.cost_usd IS NULL OR old.pricing_source = 'model_prices')
       AND (old.cost_usd, old.input_cost_usd, old.output_cost_usd)
           IS DISTINCT FROM (p.input + p.output, p.input, p.output)
  $step$
$$;
