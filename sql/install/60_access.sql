-- Who may do what. Everything that is ever granted is listed in grant_keypool; an installation by
-- itself grants nothing (see 90_grants.sql).

CREATE FUNCTION @extschema@.grant_keypool(role regrole, level text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  granted CONSTANT int := array_position(ARRAY['member', 'reader', 'caller', 'admin'], level) - 1;
  wanted record;
BEGIN
  IF granted IS NULL THEN
    RAISE EXCEPTION 'unknown access level: %', coalesce(quote_literal(level), 'NULL')
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The levels are member, reader, caller and admin; each includes the ones '
                     'before it.',
            HINT = 'Use member for end users and keys of their own, reader to look at the views, '
                   'caller to pick keys and report on them, admin to manage keys and providers.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role) THEN
    RAISE EXCEPTION 'role does not exist'
      USING ERRCODE = 'undefined_object', HINT = 'Create the role first.';
  END IF;

  -- A left join: a name that is no member of the extension must fail, not be passed over.
  FOR wanted IN
    SELECT g.privilege, m.kind, m.identity
    FROM (VALUES
      (0, 'USAGE', 'keypool'),
      (0, 'EXECUTE', 'current_keypool_user'),
      (0, 'EXECUTE', 'add_my_key'),
      (0, 'EXECUTE', 'my_keys'),
      (0, 'EXECUTE', 'revoke_my_key'),
      (0, 'EXECUTE', 'my_usage'),
      -- Row-level security lets through what is the user's own.
      (0, 'EXECUTE', 'sees_all_users'),
      (0, 'EXECUTE', 'pool_keys'),
      (0, 'SELECT', 'user_api_keys'),
      (1, 'SELECT', 'api_keys_overview'),
      (1, 'SELECT', 'system_api_keys'),
      (1, 'SELECT', 'provider_statistics'),
      (1, 'SELECT', 'active_alerts'),
      (1, 'SELECT', 'alert_history'),
      (1, 'SELECT', 'worker_status'),
      (1, 'SELECT', 'webhook_status'),
      (1, 'SELECT', 'destruction_status'),
      (1, 'SELECT', 'api_key_tracking_quality'),
      (1, 'SELECT', 'api_key_tracking_trend'),
      (1, 'SELECT', 'key_source_usage'),
      (1, 'SELECT', 'request_costs'),
      (1, 'SELECT', 'model_usage'),
      (1, 'SELECT', 'model_comparison'),
      (1, 'SELECT', 'pricing_quality'),
      (1, 'SELECT', 'session_costs'),
      (1, 'SELECT', 'trace_costs'),
      (1, 'EXECUTE', 'api_key_tracking_quality_report'),
      (1, 'EXECUTE', 'api_key_tracking_trend_report'),
      (1, 'EXECUTE', 'get_usage_stats'),
      (1, 'EXECUTE', 'prometheus_metrics'),
      (1, 'SELECT', 'usage_totals'),
      (1, 'SELECT', 'user_key_counts'),
      (1, 'SELECT', 'reencryption_progress'),
      (1, 'SELECT', 'keys_due_for_rotation'),
      (1, 'SELECT', 'request_log_status'),
      (1, 'SELECT', 'import_progress'),
      (1, 'SELECT', 'caller_usage'),
      (1, 'SELECT', 'recommendations'),
      (1, 'SELECT', 'budget_forecast'),
      (1, 'SELECT', 'model_prices'),
      (1, 'SELECT', 'budget_status'),
      (1, 'SELECT', 'budget_history'),
      (1, 'EXECUTE', 'estimate_cost'),
      -- A view's functions are called with its reader's rights.
      (1, 'EXECUTE', 'pool_providers'),
      (1, 'EXECUTE', 'worker_state'),
      (1, 'EXECUTE', 'destruction_state'),
      (1, 'EXECUTE', 'reencryption_report'),
      (1, 'EXECUTE', 'budget_accounts'),
      (1, 'EXECUTE', 'unfolded_requests'),
      (1, 'EXECUTE', 'budget_period'),
      (1, 'EXECUTE', 'budget_counts_from'),
      (1, 'EXECUTE', 'unbooked_spending'),
      (1, 'EXECUTE', 'caller_meters'),
      -- What prometheus_metrics() is put together from.
      (1, 'EXECUTE', 'metric_families'),
      (1, 'EXECUTE', 'metric_label'),
      (1, 'EXECUTE', 'tracking_metrics'),
      (1, 'EXECUTE', 'key_count_metrics'),
      (1, 'EXECUTE', 'most_listed_keys'),
      (1, 'EXECUTE', 'key_metrics'),
      (1, 'EXECUTE', 'provider_metrics'),
      (1, 'EXECUTE', 'worker_metrics'),
      (1, 'EXECUTE', 'tracking_counts'),
      (1, 'EXECUTE', 'pool_totals'),
      (2, 'EXECUTE', 'pick_key'),
      (2, 'EXECUTE', 'acquire_key'),
      (2, 'EXECUTE', 'release_key'),
      (2, 'EXECUTE', 'explain_pick'),
      (2, 'EXECUTE', 'available_providers'),
      (2, 'EXECUTE', 'mark_key_error'),
      (2, 'EXECUTE', 'mark_key_success'),
      (2, 'EXECUTE', 'resolve_key'),
      (2, 'EXECUTE', 'validate_key'),
      (2, 'EXECUTE', 'log_request'),
      (2, 'EXECUTE', 'log_requests'),
      (2, 'EXECUTE', 'import_trace_keys'),
      -- What an INSERT ... RETURNING id needs, and no more.
      (2, 'INSERT, SELECT (id, created_at)', 'chat_completion_requests'),
      (2, 'USAGE', 'chat_completion_requests_id_seq'),
      (3, 'EXECUTE', 'add_key'),
      (3, 'EXECUTE', 'rotate_key'),
      (3, 'EXECUTE', 'rotate_data_key'),
      (3, 'EXECUTE', 'rotate_root_key'),
      (3, 'EXECUTE', 'revoke_key'),
      (3, 'EXECUTE', 'forget_user'),
      (3, 'EXECUTE', 'forget_organization'),
      (3, 'EXECUTE', 'import_keys'),
      (3, 'EXECUTE', 'import_env_keys'),
      (3, 'EXECUTE', 'import_fernet'),
      (3, 'EXECUTE', 'import_aes_gcm'),
      (3, 'EXECUTE', 'check_key'),
      (3, 'EXECUTE', 'check_keys'),
      -- Its secret is known to all, so that only those who manage keys may have it accepted.
      (3, 'EXECUTE', 'dev_key'),
      (3, 'EXECUTE', 'import_requests'),
      (3, 'EXECUTE', 'stop_following'),
      (3, 'EXECUTE', 'follow_request'),
      (3, 'EXECUTE', 'backfill_requests'),
      (3, 'EXECUTE', 'import_prices'),
      (3, 'EXECUTE', 'reprice_requests'),
      (3, 'SELECT, DELETE', 'request_imports'),
      (3, 'SELECT, DELETE', 'request_import_refusals'),
      (3, 'SELECT, INSERT, UPDATE, DELETE', 'providers'),
      (3, 'INSERT, UPDATE, DELETE', 'model_prices'),
      (3, 'SELECT, INSERT, UPDATE, DELETE', 'budgets'),
      (3, 'USAGE', 'budgets_id_seq'),
      (3, 'SELECT, INSERT, UPDATE, DELETE', 'equivalent_models'),
      (3, 'SELECT, INSERT, UPDATE, DELETE', 'caller_limits'),
      (3, 'SELECT, UPDATE, DELETE', 'chat_completion_requests'),
      (3, 'EXECUTE', 'fold_requests'),
      (3, 'EXECUTE', 'rebuild_rollups'),
      (3, 'SELECT', 'rollup_state'),
      (3, 'SELECT', 'key_state'),
      (3, 'SELECT', 'alerts'),
      (3, 'SELECT', 'audit_log'),
      (3, 'EXECUTE', 'verify_audit_log'),
      (3, 'EXECUTE', 'audit_hash'),
      (3, 'EXECUTE', 'add_webhook'),
      (3, 'SELECT (id, url, secret, events, enabled, description, created_at), '
          'INSERT (url, secret, events, enabled, description), '
          'UPDATE (url, secret, events, enabled, description), DELETE', 'alert_webhooks'),
      (3, 'SELECT', 'webhook_deliveries'),
      -- By column, so that ciphertext, fingerprints and wrapped keys stay out of reach.
      (3, 'SELECT (number, purpose, root_id, created_at, retired_at)', 'data_keys'),
      (3, 'SELECT (id, provider, name, user_id, organization_id, key_source, owner, hint, '
          'rate_limit, requests_per_minute, tokens_per_minute, max_concurrency, '
          'daily_cost_limit, weight, models, region, base_url, expires_at, enabled, '
          'created_at, rotated_at, revoked_at, revoke_reason, rotation_interval)', 'api_keys'),
      (3, 'UPDATE (name, rate_limit, requests_per_minute, tokens_per_minute, max_concurrency, '
          'daily_cost_limit, weight, models, region, base_url, expires_at, enabled, '
          'rotation_interval)', 'api_keys')
    ) AS g (rank, privilege, name)
    LEFT JOIN keypool.extension_members() m ON m.name = g.name
    WHERE g.rank <= granted
  LOOP
    EXECUTE format('GRANT %s ON %s %s TO %s', wanted.privilege, wanted.kind, wanted.identity, role);
  END LOOP;

  -- Who is granted more than that shall not read every user's rows with it.
  IF granted = 0 THEN
    EXECUTE format(
      'GRANT SELECT (id, provider, name, user_id, key_source, hint, models, region, expires_at, '
      'enabled, created_at, rotated_at, revoked_at, revoke_reason) ON TABLE keypool.api_keys TO %s',
      role);
    EXECUTE format(
      'GRANT SELECT (id, created_at, provider, model, user_id, api_key_id, key_source, '
      'input_tokens, output_tokens, cached_tokens, cost_usd, input_cost_usd, output_cost_usd, '
      'pricing_source, processing_time_ms, status, http_status, error_type, request_id, attempt, '
      'session_id, trace_id) ON TABLE keypool.chat_completion_requests TO %s', role);
  END IF;
  -- Whom a caller acts for is for the caller to say. Only superusers can pass that on, unless one
  -- has let the owner do so.
  IF granted >= 2 THEN
    IF has_parameter_privilege('keypool.user_id', 'SET WITH GRANT OPTION') THEN
      EXECUTE format('GRANT SET ON PARAMETER keypool.user_id TO %s', role);
    ELSE
      RAISE WARNING 'role % was not granted SET on parameter keypool.user_id', role
        USING HINT = 'A superuser can grant it; it is needed to act for users of level member.';
    END IF;
  END IF;

  IF NOT has_schema_privilege(role, '@extschema@'::regnamespace, 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', '@extschema@'::regnamespace, role);
  END IF;
  PERFORM keypool.note_access('grant_keypool',
                              jsonb_build_object('role', role::text, 'level', level));
END
$$;

CREATE FUNCTION keypool.revoke_members(grantee text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  member record;
BEGIN
  -- On a table, REVOKE ALL takes back the rights on its columns too.
  FOR member IN SELECT m.kind, m.identity FROM keypool.extension_members() m LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM %s', member.kind, member.identity, grantee);
  END LOOP;
END
$$;

-- USAGE on the schema of the functions stays: other things may live there, granted by others. The
-- right to set keypool.user_id goes for all databases, since it is one for all.
CREATE FUNCTION @extschema@.revoke_keypool(role regrole)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role) THEN
    RAISE EXCEPTION 'role does not exist' USING ERRCODE = 'undefined_object';
  END IF;
  PERFORM keypool.revoke_members(role::text);
  PERFORM keypool.note_access('revoke_keypool', jsonb_build_object('role', role::text));
  IF has_parameter_privilege('keypool.user_id', 'SET WITH GRANT OPTION') THEN
    EXECUTE format('REVOKE SET ON PARAMETER keypool.user_id FROM %s', role);
  END IF;
END
$$;
