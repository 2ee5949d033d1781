-- pg_keypool in a self-hosted Supabase: the extension, who may do what with it, and the functions
-- that signed-in users call through the API. Run it again whenever you like; it changes nothing
-- then.
--
--   psql -U supabase_admin -d postgres -f setup.sql
--   psql -U supabase_admin -d postgres -v api_schema=api -f setup.sql    -- a schema of your own
--
-- As the superuser, with pg_keypool in shared_preload_libraries. `api_schema` is one of those that
-- PostgREST exposes (PGRST_DB_SCHEMAS); the schemas extensions and keypool must not be among them.
\set ON_ERROR_STOP on
\if :{?api_schema}
\else
  \set api_schema public
\endif

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS extensions;
CREATE EXTENSION IF NOT EXISTS pg_keypool SCHEMA extensions;
DO $$
BEGIN
  IF (SELECT extnamespace FROM pg_extension WHERE extname = 'pg_keypool')
     <> 'extensions'::regnamespace THEN
    RAISE EXCEPTION 'pg_keypool is installed in another schema than extensions'
      USING HINT = 'In a schema that PostgREST exposes, the API would offer all of its functions.';
  END IF;
END $$;

-- Who may do what. anon is granted nothing, so that nobody who is not signed in has a part in this.
SELECT extensions.grant_keypool('authenticated', 'member'),  -- keys of their own
       extensions.grant_keypool('service_role', 'caller'),   -- your servers: any user's keys
       extensions.grant_keypool('postgres', 'admin')         -- you
\g /dev/null

-- PostgREST logs in as authenticator, verifies the token and passes its claims on. This says that
-- authenticator's word counts. It has nothing else of the extension.
GRANT SET ON PARAMETER keypool.user_id TO authenticator;

-- What the API offers. Plain functions, which run with the rights of whoever calls them.
CREATE OR REPLACE FUNCTION :"api_schema".add_my_key(
  provider text, secret text, name text DEFAULT NULL, models text[] DEFAULT NULL,
  region text DEFAULT NULL, expires_at timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT extensions.add_my_key($1, $2, $3, $4, $5, $6) $$;

CREATE OR REPLACE FUNCTION :"api_schema".my_keys()
RETURNS TABLE (
  key_id bigint, provider text, name text, hint text, state text, available boolean,
  cooldown_until timestamptz, requests bigint, errors bigint, tokens bigint, cost_today numeric,
  cost_total numeric, models text[], region text, last_used_at timestamptz,
  last_checked_at timestamptz, last_error text, expires_at timestamptz, created_at timestamptz)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM extensions.my_keys() $$;

CREATE OR REPLACE FUNCTION :"api_schema".revoke_my_key(key_id bigint, reason text DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT extensions.revoke_my_key($1, $2) $$;

CREATE OR REPLACE FUNCTION :"api_schema".my_usage(days int DEFAULT 30)
RETURNS TABLE (
  day date, provider text, model text, key_source text, requests bigint, errors bigint,
  tokens bigint, input_tokens bigint, output_tokens bigint, cached_tokens bigint,
  cost_usd numeric, unpriced_requests bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM extensions.my_usage($1) $$;

COMMENT ON FUNCTION :"api_schema".add_my_key(text, text, text, text[], text, timestamptz)
  IS 'Stores an API key of the signed-in user and returns its id';
COMMENT ON FUNCTION :"api_schema".my_keys()
  IS 'The signed-in user''s API keys, masked';
COMMENT ON FUNCTION :"api_schema".revoke_my_key(bigint, text)
  IS 'Destroys an API key of the signed-in user';
COMMENT ON FUNCTION :"api_schema".my_usage(int)
  IS 'The signed-in user''s requests by day, provider and model';

-- Functions are for PUBLIC unless one says otherwise, and Supabase's default privileges hand those
-- in public to anon and service_role by name.
REVOKE ALL ON FUNCTION
    :"api_schema".add_my_key(text, text, text, text[], text, timestamptz),
    :"api_schema".my_keys(),
    :"api_schema".revoke_my_key(bigint, text),
    :"api_schema".my_usage(int)
  FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    :"api_schema".add_my_key(text, text, text, text[], text, timestamptz),
    :"api_schema".my_keys(),
    :"api_schema".revoke_my_key(bigint, text),
    :"api_schema".my_usage(int)
  TO authenticated;

-- So that PostgREST finds them without a restart.
NOTIFY pgrst, 'reload schema';
COMMIT;
