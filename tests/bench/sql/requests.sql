-- What the request log is measured against: the same table and indexes with no trigger ("plain"),
-- and the table somebody would make without us, which has no column xid and no index on it ("own").
-- psql variable `copy_file`: a file with 10,000 rows for COPY.

CREATE SCHEMA requests;

CREATE TABLE requests.plain (LIKE keypool.chat_completion_requests INCLUDING DEFAULTS)
  PARTITION BY RANGE (created_at);
ALTER TABLE requests.plain ADD PRIMARY KEY (id, created_at);
CREATE INDEX ON requests.plain (xid);
CREATE INDEX ON requests.plain (user_id, created_at);
CREATE INDEX ON requests.plain (api_key_id, created_at);
CREATE INDEX ON requests.plain USING brin (created_at);
CREATE INDEX ON requests.plain (api_key_fingerprint)
  WHERE api_key_id IS NULL AND api_key_fingerprint IS NOT NULL AND lookup_status IS NULL;

CREATE TABLE requests.own (LIKE keypool.chat_completion_requests INCLUDING DEFAULTS)
  PARTITION BY RANGE (created_at);
ALTER TABLE requests.own DROP COLUMN xid, ADD PRIMARY KEY (id, created_at);
CREATE INDEX ON requests.own (user_id, created_at);
CREATE INDEX ON requests.own (api_key_id, created_at);
CREATE INDEX ON requests.own USING brin (created_at);

-- A partition a day, as ours; and a repeat is found in each.
DO $$
DECLARE
  name text;
  day date;
BEGIN
  FOREACH name IN ARRAY ARRAY['plain', 'own'] LOOP
    FOR day IN SELECT d::date FROM generate_series(current_date - 1, current_date + 7, '1 day') d
    LOOP
      EXECUTE format('CREATE TABLE requests.%I PARTITION OF requests.%I FOR VALUES FROM (%L) TO (%L)',
                     name || to_char(day, '_YYYYMMDD'), name, day::timestamp AT TIME ZONE 'UTC',
                     (day + 1)::timestamp AT TIME ZONE 'UTC');
      EXECUTE format('CREATE UNIQUE INDEX ON requests.%I (request_id, attempt)
                      WHERE request_id IS NOT NULL', name || to_char(day, '_YYYYMMDD'));
    END LOOP;
    EXECUTE format('CREATE TABLE requests.%I PARTITION OF requests.%I DEFAULT',
                   name || '_default', name);
  END LOOP;
END
$$;

-- Requests as a small team makes them: 20 users, each of whom uses one key and one model.
CREATE FUNCTION requests.rows(count int)
RETURNS TABLE (provider text, model text, user_id text, api_key_id bigint, key_source text,
               input_tokens int, output_tokens int, cost_usd numeric, pricing_source text,
               processing_time_ms int, session_id text)
LANGUAGE sql STABLE ROWS 10000
AS $$
  SELECT 'openai', 'model-' || n % 4, 'user-' || n % 20, k.ids[1 + n % 20 % 16], 'system',
         100 + n % 900, 50 + n % 50, 0.0015 + n % 100 * 0.0001, 'given', 200 + n % 800,
         'session-' || n / 10
  FROM generate_series(1, count) AS n,
       (SELECT array_agg(id) AS ids FROM keypool.api_keys WHERE provider = 'bench_16') AS k
$$;

CREATE TABLE requests.ten_thousand AS SELECT * FROM requests.rows(10000);
COPY requests.ten_thousand TO :'copy_file';

-- One way to write 10,000 rows into one of the tables; answers milliseconds on the clock.
CREATE FUNCTION requests.write(way text, target text, copy_file text)
RETURNS float8
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  columns CONSTANT text := '(provider, model, user_id, api_key_id, key_source, input_tokens, '
    'output_tokens, cost_usd, pricing_source, processing_time_ms, session_id)';
  started timestamptz := clock_timestamp();
BEGIN
  IF way = 'COPY' THEN
    EXECUTE format('COPY %s %s FROM %L', target, columns, copy_file);
  ELSE
    EXECUTE format('INSERT INTO %s %s TABLE requests.ten_thousand', target, columns);
  END IF;
  RETURN 1000 * extract(epoch FROM clock_timestamp() - started);
END
$$;

-- Fills the log with `count` requests of the last 30 days, a day at a time.
CREATE PROCEDURE requests.fill(count int)
LANGUAGE plpgsql
AS $$
BEGIN
  FOR day IN 0 .. 29 LOOP
    INSERT INTO keypool.chat_completion_requests
      (created_at, provider, model, user_id, api_key_id, key_source, is_anonymous, input_tokens,
       output_tokens, cost_usd, pricing_source, processing_time_ms, session_id)
    SELECT date_trunc('day', now()) - day * interval '1 day'
             + n * interval '1 day' / (count / 30 + 1),
           provider, model, CASE WHEN n % 50 > 1 THEN user_id END,
           CASE WHEN n % 50 > 4 THEN api_key_id END, CASE WHEN n % 50 > 4 THEN key_source END,
           n % 50 = 0, input_tokens, output_tokens, cost_usd, pricing_source, processing_time_ms,
           session_id
    FROM (SELECT *, row_number() OVER () AS n FROM requests.rows(count / 30)) AS r;
    COMMIT;
  END LOOP;
END
$$;

-- The views' definitions over the log itself: what they are compared with.
CREATE VIEW requests.quality AS
SELECT date_trunc('hour', created_at) AS hour, count(*) AS total_requests,
       count(api_key_id) AS requests_with_api_key,
       count(*) - count(api_key_id) AS requests_without_api_key,
       count(*) FILTER (WHERE is_anonymous) AS anonymous_requests,
       count(*) FILTER (WHERE api_key_id IS NULL AND NOT is_anonymous)
         AS potential_lookup_failures,
       round(100.0 * count(api_key_id) / count(*), 2) AS tracking_rate_percent
FROM keypool.chat_completion_requests
WHERE created_at >= date_trunc('hour', now() - interval '7 days')
GROUP BY 1 ORDER BY 1 DESC;

CREATE VIEW requests.trend AS
SELECT date_trunc('day', created_at)::date AS day, count(*) AS total_requests,
       count(api_key_id) AS requests_with_api_key,
       count(*) FILTER (WHERE is_anonymous) AS anonymous_requests
FROM keypool.chat_completion_requests
WHERE created_at >= date_trunc('day', now() - interval '30 days')
GROUP BY 1 ORDER BY 1 DESC;

CREATE VIEW requests.costs AS
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, user_id, organization_id, provider, model,
       api_key_id, count(*) AS requests, sum(input_tokens) AS input_tokens,
       sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd
FROM keypool.chat_completion_requests GROUP BY 1, 2, 3, 4, 5, 6;

CREATE VIEW requests.usage AS
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, user_id, key_source, count(*) AS requests,
       sum(input_tokens + output_tokens) AS tokens, sum(cost_usd) AS cost_usd
FROM keypool.chat_completion_requests GROUP BY 1, 2, 3;

CREATE VIEW requests.models AS
SELECT provider, model, count(*) AS requests, sum(input_tokens + output_tokens) AS tokens,
       sum(cost_usd) AS cost_usd, avg(processing_time_ms) AS latency
FROM keypool.chat_completion_requests GROUP BY 1, 2;
