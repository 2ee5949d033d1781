-- Installed by sql/install/*.sql in name order. Functions that people call go to the schema the
-- extension is created in; tables, views and internal functions always to the schema keypool.
--
-- Nothing below may resolve a name in a schema where others can create objects, so every name that
-- is not the server's own is qualified, and the path is pinned for the rest of the script.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Fails when somebody has made a schema of that name: theirs must not become ours.
CREATE SCHEMA keypool;
