-- The catalogue is in order: everything is commented, paths are pinned, functions are honest about
-- themselves, dumps are complete, nothing secret shows.
SELECT plan(18);

CREATE EXTENSION pg_keypool;

CREATE VIEW members AS
  SELECT classid, objid, pg_describe_object(classid, objid, 0) AS what
  FROM pg_depend
  WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_keypool');
CREATE VIEW functions AS
  SELECT f.*, l.lanname FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang
  WHERE f.oid IN (SELECT objid FROM members WHERE classid = 'pg_proc'::regclass);
CREATE VIEW relations AS
  SELECT * FROM pg_class
  WHERE oid IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass);

SELECT is_empty(
  $$ SELECT what FROM members
     WHERE classid IN ('pg_proc'::regclass, 'pg_class'::regclass)
       AND obj_description(objid, classid::regclass::name) IS NULL $$,
  'every function, table, view and sequence has a comment');
SELECT is_empty(
  $$ SELECT attrelid::regclass, attname FROM pg_attribute
     WHERE attrelid IN (SELECT oid FROM relations WHERE relkind IN ('r', 'p', 'v'))
       AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL $$,
  'every column has a comment');
SELECT is_empty(
  $$ SELECT tgrelid::regclass, tgname FROM pg_trigger
     WHERE tgrelid IN (SELECT oid FROM relations) AND NOT tgisinternal AND tgparentid = 0
       AND obj_description(oid, 'pg_trigger') IS NULL $$,
  'every trigger has a comment');
SELECT isnt(obj_description('keypool'::regnamespace, 'pg_namespace'), NULL, 'so has the schema');

SELECT is_empty(
  $$ SELECT oid::regprocedure FROM functions
     WHERE lanname <> 'c'
       AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false) $$,
  'every function in SQL or PL/pgSQL pins its search_path');
SELECT is_empty(
  $$ SELECT oid::regprocedure FROM functions WHERE prosecdef $$, 'no function is SECURITY DEFINER');
SELECT is_empty(
  $$ SELECT oid::regprocedure FROM functions
     WHERE lanname = 'c' AND (proparallel <> 'u' OR proconfig IS NOT NULL)
       AND proname NOT IN ('current_keypool_user', 'sees_all_users') $$,
  'functions in C are parallel unsafe, and cheap to call, but for what row-level security asks');
SELECT set_eq(
  $$ SELECT proname::text FROM functions WHERE provolatile <> 'v' $$,
  ARRAY['resolve_key', 'validate_key', 'current_keypool_user', 'sees_all_users', 'my_usage',
        'extension_members', 'metric_families', 'metric_label',
        'most_listed_keys', 'unfolded_requests', 'api_key_tracking_quality_report',
        'api_key_tracking_trend_report', 'request_partition_name', 'start_of_day',
        'request_partitions', 'is_crowded', 'first_kept_day', 'missing_request_days',
        'import_targets', 'import_source_columns', 'import_key', 'import_value', 'import_origins',
        'import_expression', 'is_import_spec', 'named_in_import', 'check_import_column',
        'check_import', 'import_rows', 'import_refusal', 'import_insertion', 'careful_import',
        'import_reads', 'plan_import_reading', 'plan_import_writing', 'plan_import_row', 'is_followed',
        'import_days', 'tell_import_gaps', 'prepare_import', 'import_order', 'backfill_steps', 'pricing_statement',
        'audit_hash', 'verify_audit_log',
        'budget_period', 'budget_counts_from', 'unbooked_spending', 'has_unbooked_requests'],
  'only what reads nothing but tables is STABLE, and little is IMMUTABLE');
SELECT is_empty(
  $$ SELECT oid::regprocedure FROM functions WHERE proleakproof $$,
  'no function claims to leak nothing');
SELECT is_empty(
  $$ SELECT oid::regprocedure FROM functions
     WHERE lanname = 'c' AND (prosrc NOT LIKE 'keypool\_%' OR probin <> '$libdir/pg_keypool') $$,
  'C functions are found in the library by a name of our own');
SELECT set_eq(
  $$ SELECT proname::text FROM functions WHERE pronamespace = 'public'::regnamespace $$,
  ARRAY['add_key', 'rotate_key', 'rotate_data_key', 'rotate_root_key', 'revoke_key', 'import_keys', 'import_env_keys',
        'import_fernet', 'import_aes_gcm', 'import_trace_keys', 'forget_user', 'forget_organization',
        'resolve_key',
        'validate_key', 'check_key', 'check_keys', 'pick_key', 'acquire_key', 'release_key',
        'explain_pick', 'available_providers', 'mark_key_error', 'mark_key_success',
        'log_request', 'log_requests', 'estimate_cost', 'dev_key', 'get_usage_stats',
        'import_requests', 'backfill_requests', 'import_prices', 'reprice_requests', 'add_webhook', 'verify_audit_log',
        'api_key_tracking_quality_report',
        'current_keypool_user', 'add_my_key', 'my_keys', 'revoke_my_key', 'my_usage',
        'api_key_tracking_trend_report', 'prometheus_metrics', 'grant_keypool', 'revoke_keypool'],
  'people''s functions are in the schema of the extension, and no others');
SELECT is_empty(
  $$ SELECT oid::regclass FROM relations WHERE relnamespace <> 'keypool'::regnamespace $$,
  'tables and views are in the schema keypool');

SELECT set_eq(
  $$ SELECT relname::text FROM relations
     WHERE relkind IN ('r', 'p', 'S') AND NOT relispartition
       AND NOT oid = ANY (SELECT unnest(extconfig) FROM pg_extension
                          WHERE extname = 'pg_keypool') $$,
  ARRAY['chat_completion_requests', 'request_changes', 'rollup_state', 'tracking_rollup',
        'usage_rollup', 'budget_spending', 'webhook_deliveries'],
  'pg_dump carries the rows of every table, but for the log, whose rows go by way of '
  'request_dump, what is folded from it, and what a copy must not post again');
SELECT is_empty(
  $$ SELECT oid::regclass FROM relations
     WHERE relkind = 'v' AND 'security_invoker=true' = ANY (reloptions) $$,
  'views run with their owner''s rights: a reader needs none on the tables');
SELECT is_empty(
  $$ SELECT attrelid::regclass, attname FROM pg_attribute
     WHERE attrelid IN (SELECT oid FROM relations WHERE relkind = 'v')
       AND attname ~ 'envelope|fingerprint|wrapped|secret' $$,
  'no view has a column of ciphertext or fingerprints');
SELECT is_empty(
  $$ SELECT r.oid::regclass FROM relations r WHERE relkind = 'r'
     AND r.relname NOT IN ('request_changes', 'request_dump', 'usage_rollup')
     AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = r.oid AND indisprimary) $$,
  'every table has a primary key, but for those whose rows are not told apart, or by NULLs too');

SELECT is_empty(
  $$ SELECT name FROM pg_settings
     WHERE name LIKE 'keypool.%' AND (short_desc IS NULL OR extra_desc IS NULL
       OR (name ~ '(interval|timeout|unused_key_alert)$' AND unit IS NULL)) $$,
  'every setting says what it is and when to change it, and times have a unit');
SELECT set_has(
  $$ SELECT name FROM pg_settings WHERE name LIKE 'keypool.%' $$,
  $$ SELECT 'keypool.' || unnest(ARRAY['root_key_file', 'root_key_command', 'max_keys',
       'default_strategy', 'health_check_interval', 'request_timeout', 'error_rate_alert',
       'unused_key_alert', 'lease_timeout', 'validate_format', 'worker', 'log_level_picks']) $$,
  'the settings of the contract are there');
SELECT * FROM finish();
