-- api_key_tracking_quality, api_key_tracking_trend and the reports on them: equal to the plain
-- GROUP BY over the log at every moment, whatever is folded, and plain about what to do.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- What the views must equal, row for row.
CREATE TEMP VIEW plain_quality AS
SELECT date_trunc('hour', r.created_at) AS hour,
       count(*) AS total_requests,
       count(r.api_key_id) AS requests_with_api_key,
       count(*) - count(r.api_key_id) AS requests_without_api_key,
       count(*) FILTER (WHERE r.is_anonymous) AS anonymous_requests,
       count(*) FILTER (WHERE r.api_key_id IS NULL AND NOT r.is_anonymous)
         AS potential_lookup_failures,
       round(100.0 * count(r.api_key_id) / count(*), 2) AS tracking_rate_percent
FROM keypool.chat_completion_requests r
WHERE r.created_at >= date_trunc('hour', now() - interval '7 days')
GROUP BY 1;

CREATE TEMP VIEW plain_trend AS
SELECT q.*, CASE WHEN q.tracking_rate_percent >= 90 THEN 'ok'
                 WHEN q.tracking_rate_percent >= 70 THEN 'warning'
                 ELSE 'critical' END AS alert_status
FROM (SELECT date_trunc('day', r.created_at)::date AS day,
             count(*) AS total_requests,
             count(r.api_key_id) AS requests_with_api_key,
             count(*) - count(r.api_key_id) AS requests_without_api_key,
             count(*) FILTER (WHERE r.is_anonymous) AS anonymous_requests,
             count(*) FILTER (WHERE r.api_key_id IS NULL AND NOT r.is_anonymous)
               AS potential_lookup_failures,
             round(100.0 * count(r.api_key_id) / count(*), 2) AS tracking_rate_percent
      FROM keypool.chat_completion_requests r
      WHERE r.created_at >= date_trunc('day', now() - interval '30 days')
      GROUP BY 1) q;

-- Rows that are in one and not in the other, by time zone, and how many there are in all.
CREATE FUNCTION pg_temp.differences() RETURNS TABLE (zone text, quality bigint, trend bigint,
                                                    has_rows bool)
LANGUAGE plpgsql AS $$
BEGIN
  FOREACH zone IN ARRAY ARRAY['UTC', 'Asia/Kathmandu', 'America/St_Johns'] LOOP
    PERFORM set_config('timezone', zone, true);
    SELECT count(*) INTO quality FROM (
      (TABLE keypool.api_key_tracking_quality EXCEPT ALL TABLE plain_quality) UNION ALL
      (TABLE plain_quality EXCEPT ALL TABLE keypool.api_key_tracking_quality)) d;
    SELECT count(*) INTO trend FROM (
      (TABLE keypool.api_key_tracking_trend EXCEPT ALL TABLE plain_trend) UNION ALL
      (TABLE plain_trend EXCEPT ALL TABLE keypool.api_key_tracking_trend)) d;
    has_rows := EXISTS (TABLE keypool.api_key_tracking_quality)
                AND EXISTS (TABLE keypool.api_key_tracking_trend);
    RETURN NEXT;
  END LOOP;
END $$;

-- The report less its moments.
CREATE FUNCTION pg_temp.report(hours int = 24) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_pretty(api_key_tracking_quality_report(hours)
                      #- '{time_window,start_time}' #- '{time_window,end_time}')
$$;

-- An empty log.
SELECT * FROM pg_temp.differences();
SELECT pg_temp.report();
SELECT jsonb_pretty(api_key_tracking_trend_report() #- '{time_window,start_day}'
                    #- '{time_window,end_day}');

-- Requests of all sorts over forty days, some in the future; none at the same microsecond.
INSERT INTO keypool.chat_completion_requests
  (created_at, provider, model, user_id, api_key_id, is_anonymous, input_tokens)
SELECT now() - (n % 977) * interval '1 hour 1 minute 7 seconds' + (n % 13) * interval '1 hour'
         - n * interval '1 microsecond',
       'openai', 'gpt-4o-mini',
       CASE WHEN n % 10 < 8 THEN 'u' || n % 50 END,
       CASE WHEN n % 10 < 7 AND n % 11 <> 5 THEN n % 7 + 1 END,
       n % 10 >= 8 AND n % 3 = 0,
       n
FROM generate_series(1, 20000) AS n;
SELECT * FROM pg_temp.differences();
-- Folded, and with more on top of it: rows that come late, change, and go.
SELECT keypool.fold_requests() >= 0;
SELECT * FROM pg_temp.differences();
BEGIN;
-- The worker may be moving rows to the partitions of their days: what it moves, an UPDATE misses.
LOCK TABLE keypool.chat_completion_requests IN EXCLUSIVE MODE;
UPDATE keypool.chat_completion_requests SET api_key_id = 1
WHERE user_id IS NOT NULL AND input_tokens % 4 = 1;
UPDATE keypool.chat_completion_requests SET created_at = created_at - interval '3 hours'
WHERE input_tokens % 17 = 3;
DELETE FROM keypool.chat_completion_requests WHERE input_tokens % 5 = 2;
-- An hour of which nothing is left.
DELETE FROM keypool.chat_completion_requests
WHERE created_at >= date_trunc('hour', now()) - interval '5 hours'
  AND created_at < date_trunc('hour', now()) - interval '4 hours';
INSERT INTO keypool.chat_completion_requests (created_at, is_anonymous)
SELECT now() - n * interval '100 minutes', true FROM generate_series(1, 300) AS n;
SELECT * FROM pg_temp.differences();
COMMIT;
SELECT * FROM pg_temp.differences();
BEGIN;
DELETE FROM keypool.chat_completion_requests WHERE api_key_id = 2;
SELECT * FROM pg_temp.differences();
ROLLBACK;
SELECT keypool.fold_requests() >= 0;
SELECT * FROM pg_temp.differences();

-- The report is that of the requests from its start to its end, to the microsecond; its window is
-- not one of whole quarters of an hour.
CREATE FUNCTION pg_temp.report_is_exact(hours int) RETURNS bool LANGUAGE sql AS $$
  SELECT (d->>'total_requests')::bigint = count(*)
         AND (d->>'requests_with_api_key')::bigint = count(r.api_key_id)
         AND (d->>'requests_without_api_key')::bigint = count(*) - count(r.api_key_id)
         AND (d#>>'{breakdown,null_key_with_valid_user}')::bigint
             = count(r.user_id) FILTER (WHERE r.api_key_id IS NULL)
         AND (d#>>'{breakdown,both_null_likely_anonymous}')::bigint
             = count(*) FILTER (WHERE r.api_key_id IS NULL AND r.user_id IS NULL)
         AND (d->>'tracking_rate_percent')::numeric
             = round(100.0 * count(r.api_key_id) / count(*), 2)
         AND (d#>>'{breakdown,null_key_with_valid_user_percent}')::numeric
             = round(100.0 * count(r.user_id) FILTER (WHERE r.api_key_id IS NULL) / count(*), 2)
         AND (d#>>'{time_window,end_time}')::timestamptz = now()
         AND (d#>>'{time_window,start_time}')::timestamptz = now() - make_interval(hours => hours)
  FROM api_key_tracking_quality_report(hours) AS d,
       keypool.chat_completion_requests r
  WHERE r.created_at BETWEEN now() - make_interval(hours => hours) AND now()
  GROUP BY d
$$;
SELECT hours, pg_temp.report_is_exact(hours) FROM unnest(ARRAY[1, 2, 7, 24, 25, 100, 168]) AS hours;
BEGIN;
-- On its very ends, and just beyond them.
INSERT INTO keypool.chat_completion_requests (created_at, user_id)
SELECT now() + at + n * interval '1 microsecond', 'edge'
FROM unnest(ARRAY[interval '0', interval '-24 hours']) AS at, generate_series(-1, 1) AS n;
SELECT pg_temp.report_is_exact(24);
SET LOCAL timezone = 'Australia/Eucla';
SELECT pg_temp.report_is_exact(24), pg_temp.report_is_exact(168);
ROLLBACK;
-- The trend report holds the rows of the view.
SELECT days,
       r.d->'days' = (SELECT jsonb_agg(to_jsonb(t)) FROM keypool.api_key_tracking_trend t
                      WHERE t.day > current_date - days AND t.day <= current_date) AS same_days,
       jsonb_array_length(r.d->'days') AS listed,
       (r.d->>'total_requests')::bigint
         = (SELECT sum(t.total_requests) FROM keypool.api_key_tracking_trend t
            WHERE t.day > current_date - days AND t.day <= current_date) AS same_sum
FROM unnest(ARRAY[1, 2, 7, 30]) AS days,
     LATERAL (SELECT api_key_tracking_trend_report(days) AS d) r;

-- Limits of the statuses.
BEGIN;
TRUNCATE keypool.chat_completion_requests;
INSERT INTO keypool.chat_completion_requests (created_at, user_id, api_key_id)
SELECT date_trunc('day', now()) - d.age * interval '1 day' + n * interval '1 second', 'u1',
       CASE WHEN n <= d.tracked THEN 1 END
FROM (VALUES (1, 1000), (2, 900), (3, 899), (4, 700), (5, 699), (6, 0)) AS d (age, tracked),
     generate_series(1, 1000) AS n;
SELECT current_date - day AS age, total_requests, tracking_rate_percent, alert_status
FROM keypool.api_key_tracking_trend;
SELECT count(DISTINCT hour) AS hours, min(tracking_rate_percent), max(tracking_rate_percent)
FROM keypool.api_key_tracking_quality;
SELECT regexp_replace(advice, '\d{4}-\d\d-\d\d', '<day>')
FROM jsonb_array_elements_text(api_key_tracking_trend_report(7)->'recommendations') AS advice;
ROLLBACK;

-- What the report says of the last hour alone.
BEGIN;
TRUNCATE keypool.chat_completion_requests;
INSERT INTO keypool.chat_completion_requests
  (created_at, user_id, api_key_id, is_anonymous, cost_usd)
SELECT now() - interval '1 minute',
       CASE WHEN n <= 80 THEN 'u1' END, CASE WHEN n <= 50 THEN 1 END, n > 90,
       CASE WHEN n > 12 THEN 0.01 END
FROM generate_series(1, 100) AS n;
SELECT pg_temp.report(1);
ROLLBACK;

-- Arguments that cannot be.
SELECT pg_temp.failure($$ SELECT api_key_tracking_quality_report(0) $$);
SELECT pg_temp.failure($$ SELECT api_key_tracking_quality_report(169) $$);
SELECT pg_temp.failure($$ SELECT api_key_tracking_quality_report(NULL) $$);
SELECT pg_temp.failure($$ SELECT api_key_tracking_trend_report(0) $$);
SELECT pg_temp.failure($$ SELECT api_key_tracking_trend_report(31) $$);
SELECT pg_temp.failure($$ SELECT api_key_tracking_trend_report(NULL) $$);

-- Newest first, and no row without requests.
SELECT bool_and(hour < newer) FROM (
  SELECT hour, lag(hour) OVER () AS newer FROM keypool.api_key_tracking_quality) q
WHERE newer IS NOT NULL;
SELECT min(total_requests) > 0 FROM keypool.api_key_tracking_quality;
-- Types that tools chart.
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = 'keypool.api_key_tracking_quality'::regclass;
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = 'keypool.api_key_tracking_trend'::regclass;

-- A reader sees all of this, and not the log.
CREATE ROLE regress_keypool_reader;
SELECT grant_keypool('regress_keypool_reader', 'reader');
SET ROLE regress_keypool_reader;
SELECT count(*) > 0 FROM keypool.api_key_tracking_quality;
SELECT count(*) > 0 FROM keypool.api_key_tracking_trend;
SELECT (api_key_tracking_quality_report(168)->>'total_requests')::bigint > 0,
       (api_key_tracking_trend_report()->>'total_requests')::bigint > 0;
SELECT count(*) FROM keypool.chat_completion_requests;
SELECT count(*) FROM keypool.tracking_rollup;
SELECT count(*) FROM keypool.tracking_parts;
RESET ROLE;
DROP OWNED BY regress_keypool_reader;
DROP ROLE regress_keypool_reader;
