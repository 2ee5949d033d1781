-- Usage and costs: equal to the plain GROUP BY over the log at every moment; an unknown price is
-- never a price of zero.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\pset tuples_only off
\pset null '-'

-- Keys of every source, and one that is gone.
SELECT add_key('openai', pg_temp.key('syst'), 'shared') AS of_system,
       add_key('openai', pg_temp.key('orga'), 'acme', organization_id => 'acme') AS of_organization,
       add_key('openai', pg_temp.key('user'), 'own', user_id => 'u1') AS of_user \gset

SELECT (now() AT TIME ZONE 'UTC')::date AS today \gset

-- What a day's requests cost and whose keys they used. The days are UTC days.
INSERT INTO keypool.chat_completion_requests
  (created_at, provider, model, user_id, organization_id, api_key_id, key_source, is_anonymous,
   input_tokens, output_tokens, cached_tokens, cost_usd, processing_time_ms, http_status)
SELECT (date :'today' - l.age + time '12:00') AT TIME ZONE 'UTC',
       l.provider, l.model, l.user_id, l.organization_id, l.api_key_id, l.key_source,
       l.is_anonymous, l.input, l.output, l.cached, l.cost, l.ms, l.http
FROM (VALUES
  -- The row's own word goes first, then its key's.
  (1, 'openai', 'gpt-4o', 'u1', NULL, :of_user, 'user', false, 1000, 500, 200, 0.0075, 1200, 200),
  (1, 'openai', 'gpt-4o', 'u1', NULL, :of_user, NULL, false, 1000, 500, 0, 0.0075, 800, 200),
  (1, 'openai', 'gpt-4o', 'u1', 'acme', :of_organization, NULL, false, 10, 5, 0, 0.000000001,
   NULL, 200),
  (1, 'openai', 'exact', 'u2', NULL, :of_system, NULL, false, 10, 5, 0, 123456.987654321,
   10, 200),
  (1, 'openai', 'gpt-4o', 'u2', NULL, :of_system, 'organization', false, 10, 5, 0, 0, 10, 500),
  -- Nothing is known of the key, of the key's owner, or of both on purpose.
  (1, 'openai', 'gpt-4o', 'u2', NULL, NULL, NULL, false, 7, 3, 0, 0.5, 10, 429),
  (1, 'openai', 'gpt-4o', 'u2', NULL, 999, NULL, false, 7, 3, 0, 0.25, 10, 200),
  (1, 'openai', 'gpt-4o', NULL, NULL, NULL, NULL, true, 7, 3, 0, 0.125, 10, 200),
  (1, 'openai', 'gpt-4o', NULL, NULL, NULL, NULL, false, 7, 3, 0, 0.125, 10, 200),
  -- Without a price: all of them, and one of two.
  (1, 'mine', 'secret-model', 'u1', NULL, NULL, NULL, false, 100, 100, 0, NULL, 100, 200),
  (2, 'mine', 'secret-model', 'u1', NULL, NULL, NULL, false, 100, 100, 0, NULL, 100, 200),
  (1, 'mine', 'mixed-model', 'u1', NULL, NULL, NULL, false, 1000, 0, 0, 0.002, NULL, 200),
  (1, 'mine', 'mixed-model', 'u1', NULL, NULL, NULL, false, 1000, 0, 0, NULL, NULL, 200),
  (2, 'mine', 'mixed-model', 'u1', NULL, NULL, NULL, false, 1000, 1000, 0, 0.003, NULL, 200),
  -- For nothing, which is a price; and nothing known at all.
  (2, 'mine', 'free-model', 'u1', NULL, NULL, NULL, false, 5, 5, 0, 0, 1, 200),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, false, 0, 0, 0, NULL, NULL, NULL)
) AS l (age, provider, model, user_id, organization_id, api_key_id, key_source, is_anonymous,
        input, output, cached, cost, ms, http);

CREATE TEMP TABLE today AS SELECT date :'today' AS day;
CREATE FUNCTION pg_temp.age(day date) RETURNS int LANGUAGE sql AS
$$ SELECT t.day - age.day FROM today t $$;

SELECT pg_temp.age(day) AS age, user_id, key_source, requests, errors, tokens, input_tokens,
       output_tokens, cached_tokens, cost_usd, unpriced_requests
FROM keypool.key_source_usage ORDER BY age, user_id, key_source;
SELECT pg_temp.age(day) AS age, user_id, organization_id, provider, model, key_name, key_hint,
       requests, errors, tokens, cost_usd, unpriced_requests
FROM keypool.request_costs ORDER BY age, provider, model, user_id, api_key_id;
SELECT pg_temp.age(day) AS age, provider, model, requests, errors, tokens, cost_usd,
       unpriced_requests, timed_requests, processing_time_ms
FROM keypool.model_usage ORDER BY age, provider, model;
-- Cost per token is that of days on which all is priced.
SELECT provider, model, requests, error_rate, tokens, cost_usd, cost_per_1k_tokens, avg_latency_ms,
       unpriced_requests
FROM keypool.model_comparison ORDER BY provider, model;
SELECT provider, model, requests, priced_requests, unpriced_requests, priced_percent,
       pg_temp.age(first_unpriced_day) AS first_age, pg_temp.age(last_unpriced_day) AS last_age
FROM keypool.pricing_quality ORDER BY provider, model;

-- Rows that differ from the plain GROUP BY, either way.
CREATE TEMP VIEW plain AS
SELECT (r.created_at AT TIME ZONE 'UTC')::date AS day, r.provider, r.model, r.user_id,
       r.organization_id, r.api_key_id,
       coalesce(r.key_source, (SELECT k.key_source FROM keypool.api_keys k
                               WHERE k.id = r.api_key_id),
                CASE WHEN r.is_anonymous THEN 'anonymous' ELSE 'unknown' END) AS key_source,
       (r.error_type IS NOT NULL OR coalesce(r.http_status >= 400, false)
        OR r.status IN ('failed', 'error'))::int AS error,
       r.input_tokens + r.output_tokens AS tokens, r.input_tokens, r.output_tokens,
       r.cached_tokens, r.cost_usd, (r.cost_usd IS NULL)::int AS unpriced, r.processing_time_ms
FROM keypool.chat_completion_requests r;
CREATE FUNCTION pg_temp.differences() RETURNS TABLE (sources bigint, costs bigint, models bigint,
                                                    all_models bigint, pricing bigint)
LANGUAGE sql AS $$
  WITH
    sources AS (
      SELECT day, user_id, key_source, count(*), sum(error), sum(tokens), sum(input_tokens),
             sum(output_tokens), sum(cached_tokens), sum(cost_usd), sum(unpriced)
      FROM plain GROUP BY 1, 2, 3
    ),
    costs AS (
      SELECT day, user_id, organization_id, provider, model, api_key_id, count(*), sum(error),
             sum(tokens), sum(input_tokens), sum(output_tokens), sum(cached_tokens),
             sum(cost_usd), sum(unpriced)
      FROM plain GROUP BY 1, 2, 3, 4, 5, 6
    ),
    shown_costs AS (
      SELECT day, user_id, organization_id, provider, model, api_key_id, requests, errors,
             tokens, input_tokens, output_tokens, cached_tokens, cost_usd, unpriced_requests
      FROM keypool.request_costs
    ),
    models AS (
      SELECT day, provider, model, count(*), sum(error), sum(tokens), sum(input_tokens),
             sum(output_tokens), sum(cached_tokens), sum(cost_usd), sum(unpriced),
             count(processing_time_ms), coalesce(sum(processing_time_ms), 0)
      FROM plain GROUP BY 1, 2, 3
    ),
    all_models AS (
      SELECT provider, model, count(*), sum(error), round(sum(error)::numeric / count(*), 4),
             sum(tokens), sum(cost_usd), round(avg(processing_time_ms), 1), sum(unpriced)
      FROM plain GROUP BY 1, 2
    ),
    shown_models AS (
      SELECT provider, model, requests, errors, error_rate, tokens, cost_usd, avg_latency_ms,
             unpriced_requests
      FROM keypool.model_comparison
    ),
    pricing AS (
      SELECT provider, model, count(*), count(cost_usd), sum(unpriced),
             round(100.0 * count(cost_usd) / count(*), 2),
             min(day) FILTER (WHERE unpriced = 1), max(day) FILTER (WHERE unpriced = 1)
      FROM plain GROUP BY 1, 2
    )
  SELECT
    (SELECT count(*) FROM ((TABLE sources EXCEPT ALL TABLE keypool.key_source_usage) UNION ALL
                           (TABLE keypool.key_source_usage EXCEPT ALL TABLE sources)) d),
    (SELECT count(*) FROM ((TABLE costs EXCEPT ALL TABLE shown_costs) UNION ALL
                           (TABLE shown_costs EXCEPT ALL TABLE costs)) d),
    (SELECT count(*) FROM ((TABLE models EXCEPT ALL TABLE keypool.model_usage) UNION ALL
                           (TABLE keypool.model_usage EXCEPT ALL TABLE models)) d),
    (SELECT count(*) FROM ((TABLE all_models EXCEPT ALL TABLE shown_models) UNION ALL
                           (TABLE shown_models EXCEPT ALL TABLE all_models)) d),
    (SELECT count(*) FROM ((TABLE pricing EXCEPT ALL TABLE keypool.pricing_quality) UNION ALL
                           (TABLE keypool.pricing_quality EXCEPT ALL TABLE pricing)) d)
$$;
SELECT * FROM pg_temp.differences();
SELECT keypool.fold_requests() >= 0 AS folded;
SELECT * FROM pg_temp.differences();
-- Many more, around the ends of days, seen from a zone with other days.
SET timezone = 'Pacific/Auckland';
INSERT INTO keypool.chat_completion_requests
  (created_at, provider, model, user_id, organization_id, api_key_id, key_source, is_anonymous,
   input_tokens, output_tokens, cached_tokens, cost_usd, processing_time_ms, http_status, status,
   error_type)
SELECT now() - n * interval '7 minutes', 'p' || n % 3, 'm' || n % 5,
       CASE WHEN n % 9 > 0 THEN 'u' || n % 4 END, CASE WHEN n % 2 = 0 THEN 'acme' END,
       CASE WHEN n % 9 > 2 THEN n % 6 + 1 END, CASE WHEN n % 4 = 0 THEN 'system' END,
       n % 27 = 0, n % 1000, n % 300, n % 100, CASE WHEN n % 8 > 0 THEN n * 0.000001357 END,
       CASE WHEN n % 3 > 0 THEN n % 5000 END, CASE WHEN n % 5 = 0 THEN 200 + n % 400 END,
       CASE n % 50 WHEN 1 THEN 'failed' WHEN 2 THEN 'error' WHEN 3 THEN 'cancelled'
                   ELSE 'completed' END,
       CASE WHEN n % 33 = 0 THEN 'timeout' END
FROM generate_series(1, 3000) AS n;
SELECT * FROM pg_temp.differences();
SELECT keypool.fold_requests() >= 0 AS folded;
-- A price becomes known, a model is renamed, users go.
BEGIN;
LOCK TABLE keypool.chat_completion_requests IN EXCLUSIVE MODE;
UPDATE keypool.chat_completion_requests SET cost_usd = 0.001
WHERE cost_usd IS NULL AND provider = 'mine';
UPDATE keypool.chat_completion_requests SET model = 'm1' WHERE model = 'm2';
DELETE FROM keypool.chat_completion_requests WHERE user_id = 'u3';
COMMIT;
SELECT * FROM pg_temp.differences();
SELECT keypool.fold_requests() >= 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT provider, model, cost_usd, cost_per_1k_tokens, unpriced_requests
FROM keypool.model_comparison WHERE provider = 'mine' ORDER BY model;
SELECT count(*) FROM keypool.model_usage WHERE model = 'm2';
RESET timezone;

-- A day is found by index in what is folded.
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.conditions(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ 'Index Cond: .*(day|bucket)' THEN RETURN NEXT trim(line); END IF;
  END LOOP;
END $$;
SELECT pg_temp.conditions($$ SELECT * FROM keypool.request_costs WHERE day >= '2026-01-02' $$);
SELECT pg_temp.conditions($$ SELECT * FROM keypool.key_source_usage WHERE day >= '2026-01-02' $$);
SELECT pg_temp.conditions($$ SELECT * FROM keypool.model_usage WHERE day = '2026-01-02' $$);
SELECT count(*) FROM pg_temp.conditions($$ SELECT * FROM keypool.api_key_tracking_quality $$);
SELECT count(*) FROM pg_temp.conditions($$ SELECT * FROM keypool.api_key_tracking_trend $$);
RESET enable_seqscan;

-- Types that tools chart.
SELECT c.relname, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
                             ORDER BY attnum) AS columns
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.oid IN ('keypool.request_costs'::regclass, 'keypool.key_source_usage'::regclass,
                'keypool.model_usage'::regclass, 'keypool.model_comparison'::regclass,
                'keypool.pricing_quality'::regclass) AND attnum > 0
GROUP BY 1 ORDER BY 1;

-- A reader sees the views, and neither the log nor what it is folded into.
CREATE ROLE regress_keypool_reader;
SELECT grant_keypool('regress_keypool_reader', 'reader');
SET ROLE regress_keypool_reader;
SELECT (SELECT count(*) > 0 FROM keypool.request_costs) AS costs,
       (SELECT count(*) > 0 FROM keypool.key_source_usage) AS sources,
       (SELECT count(*) > 0 FROM keypool.model_usage) AS usage,
       (SELECT count(*) > 0 FROM keypool.model_comparison) AS models,
       (SELECT count(*) > 0 FROM keypool.pricing_quality) AS pricing;
SELECT count(*) FROM keypool.chat_completion_requests;
SELECT count(*) FROM keypool.usage_rollup;
SELECT count(*) FROM keypool.usage_parts;
RESET ROLE;
DROP OWNED BY regress_keypool_reader;
DROP ROLE regress_keypool_reader;
