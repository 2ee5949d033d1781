-- Rotation, as people look at it. Like all views these run with their owner's rights.

-- Figures are the worker's, so that a look costs the same for any number of keys. Where the table
-- knows more than the worker has said, as after a restart, the table is right.
CREATE VIEW keypool.reencryption_progress AS
WITH report AS MATERIALIZED (
  SELECT * FROM keypool.reencryption_report()
), wrapped AS (
  SELECT max(k.number) FILTER (WHERE k.purpose = 'data') AS newest,
         array_agg(k.number ORDER BY k.number) FILTER (WHERE k.purpose = 'data') AS in_use,
         count(*) AS keys,
         count(*) FILTER (WHERE left(encode(k.root_id, 'hex'), 8) = r.root_key) AS rewrapped,
         min(left(encode(k.root_id, 'hex'), 8)) AS some_root
  FROM keypool.data_keys k CROSS JOIN report r
), data_key AS (
  SELECT w.*, r.*,
         CASE WHEN cardinality(w.in_use) = 1 THEN 'done'
              WHEN r.data_key = w.newest AND r.state NOT IN ('unknown', 'done') THEN r.state
              ELSE 'pending' END AS now,
         r.data_key = w.newest AND r.started_at IS NOT NULL AS counted
  FROM wrapped w CROSS JOIN report r
  WHERE w.keys <> 0
)
SELECT
  'data_key' AS what,
  d.newest AS data_key,
  NULL::text AS root_key,
  d.now AS state,
  CASE WHEN d.counted THEN d.done + d.remaining END AS total,
  CASE WHEN d.counted THEN d.done END AS done,
  CASE WHEN d.counted THEN d.remaining END AS remaining,
  CASE WHEN d.counted THEN d.failed END AS failed,
  d.in_use AS data_keys_in_use,
  CASE WHEN d.counted THEN d.started_at END AS started_at,
  CASE WHEN d.counted THEN d.finished_at END AS finished_at,
  CASE WHEN d.counted AND d.now = 'running' AND d.done > 0
       THEN clock_timestamp() + (clock_timestamp() - d.started_at) * (d.remaining::float8 / d.done)
       END AS estimated_end
FROM data_key d
UNION ALL
SELECT
  'root_key',
  NULL,
  coalesce(d.root_key, d.some_root),
  CASE WHEN d.root_failed THEN 'blocked'
       WHEN d.root_key IS NULL THEN 'unknown'
       WHEN d.rewrapped = d.keys THEN 'done'
       ELSE 'pending' END,
  d.keys,
  CASE WHEN d.root_key IS NOT NULL THEN d.rewrapped END,
  CASE WHEN d.root_key IS NOT NULL THEN d.keys - d.rewrapped END,
  CASE WHEN d.root_failed THEN d.keys - d.rewrapped ELSE 0 END,
  d.in_use,
  NULL,
  NULL,
  NULL
FROM data_key d;

-- Whose secret should be replaced, the longest overdue first. One that is due is `overdue` from its
-- due_at on; the others are what comes next.
CREATE VIEW keypool.keys_due_for_rotation AS
SELECT
  k.id AS key_id,
  k.provider,
  k.name,
  k.hint,
  nullif(k.owner, '') AS owner,
  k.key_source,
  date_trunc('second', statement_timestamp() - k.secret_since) AS age,
  k.rotation_interval,
  k.secret_since + k.rotation_interval AS due_at,
  k.secret_since + k.rotation_interval <= statement_timestamp() AS overdue
FROM (
  SELECT a.*, coalesce(a.rotated_at, a.created_at) AS secret_since
  FROM keypool.api_keys a
  WHERE a.rotation_interval IS NOT NULL AND a.revoked_at IS NULL
) AS k
ORDER BY k.secret_since + k.rotation_interval;
