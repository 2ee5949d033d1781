-- The callers that are limited: those that have picked, as long as shared memory knows them, and
-- those with a row of their own.

CREATE VIEW keypool.caller_usage AS
WITH metered AS MATERIALIZED (
  SELECT m.scope COLLATE "C" AS scope, m.name COLLATE "C" AS name, m.picks_minute, m.picks_hour,
         m.picks_per_minute, m.picks_per_hour, m.free_at
  FROM keypool.caller_meters() m
)
SELECT u.scope, u.name, u.picks_minute, u.picks_per_minute,
       u.picks_per_minute - least(u.picks_minute, u.picks_per_minute) AS picks_per_minute_left,
       u.picks_hour, u.picks_per_hour,
       u.picks_per_hour - least(u.picks_hour, u.picks_per_hour) AS picks_per_hour_left,
       u.free_at
FROM (
  SELECT * FROM metered
  UNION ALL
  SELECT l.scope, l.name, 0, 0, l.picks_per_minute, l.picks_per_hour, NULL
  FROM keypool.caller_limits l
  WHERE l.enabled AND l.name <> '*'
    AND coalesce(l.picks_per_minute, l.picks_per_hour) IS NOT NULL
    AND NOT EXISTS (SELECT FROM metered m WHERE m.scope = l.scope AND m.name = l.name)
) u;
