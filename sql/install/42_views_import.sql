-- How far imports are.

CREATE VIEW keypool.import_progress AS
SELECT
  i.id AS import_id,
  coalesce((SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = i.source), i.source_name)
    AS source,
  i.importer::text AS importer,
  i.state,
  i.follow,
  i.rows_total,
  i.rows_read,
  i.rows_copied,
  i.rows_refused + coalesce(f.refused, 0) AS rows_refused,
  CASE WHEN i.state = 'done' THEN 100.0
       WHEN i.rows_total > 0 THEN round(least(100.0 * i.rows_read / i.rows_total, 100), 1)
  END AS percent,
  round(i.rows_read / nullif(extract(epoch FROM i.updated_at - i.started_at), 0))
    AS rows_per_second,
  CASE WHEN i.state = 'running' AND i.rows_read > 0
       THEN date_trunc('second',
                       i.updated_at + (i.updated_at - i.started_at)
                         * (greatest(i.rows_total - i.rows_read, 0) / i.rows_read::float8))
  END AS eta,
  i.error,
  i.started_at,
  i.updated_at,
  i.finished_at
FROM keypool.request_imports i
LEFT JOIN (
  SELECT r.import_id, count(*) AS refused
  FROM keypool.request_import_refusals r
  WHERE r.followed
  GROUP BY r.import_id
) f ON f.import_id = i.id
ORDER BY i.started_at DESC, i.id DESC;
