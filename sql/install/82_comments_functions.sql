-- What \df+ says of the functions. A signature that strays from its declaration fails the
-- installation.

COMMENT ON FUNCTION @extschema@.add_key(
  text, text, text, text, text, int, int, int, int, numeric, float8, text[], text, text,
  timestamptz, bool, interval)
IS 'Stores a key, encrypted; returns its id. Owner: user, else organization, else the system.';
COMMENT ON FUNCTION @extschema@.rotate_key(bigint, text)
IS 'Replaces the secret of a key in place and clears its health and cooldown.';
COMMENT ON FUNCTION @extschema@.revoke_key(bigint, text)
IS 'Takes a key out of use at COMMIT and destroys its secret; the row stays. Again: only a NOTICE.';
COMMENT ON FUNCTION @extschema@.import_keys(jsonb)
IS 'Imports a providers/global document. May be repeated; one bad key does not stop the rest.';
COMMENT ON FUNCTION @extschema@.import_env_keys()
IS 'Imports the keys in the server''s environment: OPENAI_API_KEY, OPENAI_API_KEY_1 and so on.';
COMMENT ON FUNCTION @extschema@.resolve_key(text)
IS 'Id of the stored key with this secret: the system''s first, then the oldest. NULL: there is none.';
COMMENT ON FUNCTION @extschema@.validate_key(text, text)
IS 'Checks the format of a key. Sends nothing, stores nothing.';
COMMENT ON FUNCTION @extschema@.check_key(bigint)
IS 'Has the worker try a key at its provider now, free of charge, and waits for the answer.';
COMMENT ON FUNCTION @extschema@.check_keys(text)
IS 'The same for all keys (of one provider, if given), all at once.';

COMMENT ON FUNCTION @extschema@.pick_key(text, text, text, text, text)
IS 'Returns a usable secret: of the user''s keys, else the organization''s, else the system''s.';
COMMENT ON FUNCTION @extschema@.acquire_key(
  text, text, text, text, int, numeric, bigint[], bool, text, text, bool)
IS 'Picks a key with a lease on it: capacity, also of budgets, is reserved until released, logged '
   'or expired. The receipt names the model to use and what was tried before.';
COMMENT ON FUNCTION @extschema@.release_key(bigint)
IS 'Ends a lease unused and gives back what it reserved.';
COMMENT ON FUNCTION @extschema@.explain_pick(
  text, text, text, text, int, numeric, bigint[], bool, text, text, bool)
IS 'Every candidate of a pick, in order, and why some are not eligible. Reserves nothing.';
COMMENT ON FUNCTION @extschema@.available_providers(text, text)
IS 'Providers and owners for which a pick would succeed now.';
COMMENT ON FUNCTION @extschema@.mark_key_error(bigint, text, int, interval, jsonb, text, text)
IS 'Reports a failed request; cools or disables a key that is to blame. Returns the failure class.';
COMMENT ON FUNCTION @extschema@.mark_key_success(bigint, int, jsonb)
IS 'Reports a served request: ends the failure streak, takes in latency and rate-limit headers.';
COMMENT ON FUNCTION @extschema@.get_usage_stats(text)
IS 'Requests, errors and last use of each key of a provider, as JSON, by masked key.';

COMMENT ON FUNCTION @extschema@.grant_keypool(regrole, text)
IS 'Gives a role the level reader (views), caller (pick and report) or admin (manage keys).';
COMMENT ON FUNCTION @extschema@.revoke_keypool(regrole)
IS 'Takes back from a role all rights on the objects of this extension.';

COMMENT ON FUNCTION keypool.pool_keys()
IS 'Internal: the keys in shared memory, for the views.';
COMMENT ON FUNCTION keypool.pool_providers()
IS 'Internal: what shared memory knows of providers, for the views.';
COMMENT ON FUNCTION keypool.worker_state()
IS 'Internal: the worker of this database, for the views.';
COMMENT ON FUNCTION keypool.keys_changed()
IS 'Internal: trigger that has the pool follow the tables at COMMIT.';
COMMENT ON FUNCTION keypool.guard_api_key()
IS 'Internal: trigger that refuses plain changes to what is secret or bound to it.';
COMMENT ON FUNCTION keypool.replace_builtin_provider()
IS 'Internal: trigger that lets a restored provider replace the built-in one of its name.';
COMMENT ON FUNCTION keypool.mark_edited()
IS 'Internal: trigger that clears builtin on an edited row.';
COMMENT ON FUNCTION keypool.extension_members()
IS 'Internal: what belongs to the extension, as GRANT and REVOKE name it.';
COMMENT ON FUNCTION keypool.revoke_members(text)
IS 'Internal: takes all rights on the extension''s objects from a role, or from PUBLIC.';
COMMENT ON FUNCTION keypool.request_logged() IS
  'Trigger on the request log: counts a row at commit and records what an UPDATE or DELETE ends';
COMMENT ON FUNCTION keypool.request_versioned() IS
  'Trigger on the request log: names the transaction that wrote a row''s new version';
COMMENT ON FUNCTION keypool.key_state_written() IS
  'Trigger: after a restore of key_state, slots in which nothing has happened start from it';
