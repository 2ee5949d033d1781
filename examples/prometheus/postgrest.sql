-- The metrics behind PostgREST (12 or later) or Supabase: GET /rpc/keypool_metrics.
--
--   psql -v api=api -v authenticator=authenticator -f postgrest.sql
--
-- `api` is a schema that PostgREST exposes, `authenticator` the role it logs in as. pg_keypool's
-- functions are taken to be in the schema public. Scrape with a JWT whose role is keypool_metrics:
-- it may look at figures and do nothing else.
\set ON_ERROR_STOP on
BEGIN;
CREATE ROLE keypool_metrics NOLOGIN;
GRANT keypool_metrics TO :"authenticator";
SELECT public.grant_keypool('keypool_metrics', 'reader');
GRANT USAGE ON SCHEMA :"api" TO keypool_metrics;

-- PostgREST answers in JSON, unless the function's result is named after another media type.
CREATE DOMAIN :"api"."text/plain" AS text;
CREATE FUNCTION :"api".keypool_metrics()
RETURNS :"api"."text/plain"
LANGUAGE sql VOLATILE
AS $$ SELECT public.prometheus_metrics() $$;
REVOKE ALL ON FUNCTION :"api".keypool_metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION :"api".keypool_metrics() TO keypool_metrics;

NOTIFY pgrst, 'reload schema';
COMMIT;
