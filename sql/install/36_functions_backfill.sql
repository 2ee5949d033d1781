-- What became known of logged requests only later: that nobody made them, whose key it was, what
-- they cost. Each partition is gone through once a step, a range of its blocks at a time, so that
-- neither memory nor the time to look grows with the log.

CREATE FUNCTION @extschema@.backfill_requests(batch int = 10000)
RETURNS TABLE (step text, rows bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 4 AS 'MODULE_PATHNAME', 'keypool_backfill_requests';

-- The statements of the steps; %1$s is a partition, %2$s a range of its rows r.
--
-- Of several owners with the same secret the system comes first, then the key stored first, as
-- resolve_key() has it. A request that came with a key which is not stored here was not made with
-- the user's only other one.
CREATE FUNCTION keypool.backfill_steps()
RETURNS TABLE (place int, step text, statement text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    (1, 'anonymous', $step$
      UPDATE %1$s r SET is_anonymous = true
      WHERE %2$s AND NOT r.is_anonymous AND r.user_id IS NULL AND r.api_key_id IS NULL
        AND r.api_key_fingerprint IS NULL
    $step$),
    (2, 'key_by_fingerprint', $step$
      UPDATE %1$s old
         SET api_key_id = k.id, key_source = k.key_source, is_anonymous = false,
             provider = coalesce(old.provider, k.provider), lookup_status = 'found'
        FROM %1$s r
        CROSS JOIN LATERAL (
          SELECT k.* FROM keypool.api_keys k
          WHERE k.fingerprint = r.api_key_fingerprint AND k.revoked_at IS NULL
          ORDER BY k.key_source <> 'system', k.id LIMIT 1) k
       WHERE %2$s AND r.api_key_id IS NULL AND r.api_key_fingerprint IS NOT NULL
         AND old.ctid = r.ctid AND old.api_key_id IS NULL
    $step$),
    (3, 'only_key_of_user', $step$
      UPDATE %1$s old SET api_key_id = k.id, key_source = 'user'
        FROM %1$s r
        CROSS JOIN LATERAL (
          SELECT min(k.id) AS id FROM keypool.api_keys k
          WHERE k.user_id = r.user_id AND k.provider = r.provider AND k.revoked_at IS NULL
            AND k.enabled AND (k.expires_at IS NULL OR k.expires_at > now())
          HAVING count(*) = 1) k
       WHERE %2$s AND r.api_key_id IS NULL AND r.api_key_fingerprint IS NULL
         AND r.user_id IS NOT NULL AND old.ctid = r.ctid AND old.api_key_id IS NULL
    $step$),
    (4, 'price', keypool.pricing_statement('r.cost_usd IS NULL'))
$$;

-- One step through one partition, or through those rows r of it that fulfil the condition.
CREATE FUNCTION keypool.backfill_partition(partition regclass, statement text, batch int,
                                           condition text = 'true')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- As many blocks as hold that many rows of some 150 bytes.
  step CONSTANT bigint := greatest(batch / 50, 1);
  -- Row versions made meanwhile lie beyond, or in blocks that are done.
  blocks CONSTANT bigint := pg_relation_size(partition) / current_setting('block_size')::bigint;
  block bigint;
  changed bigint;
  total bigint := 0;
BEGIN
  FOR block IN SELECT b FROM generate_series(0, blocks - 1, step) AS b LOOP
    EXECUTE format(statement, partition,
                   format('r.ctid >= ''(%s,0)'' AND r.ctid < ''(%s,0)'' AND %s',
                          block, block + step, condition));
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;
  END LOOP;
  RETURN total;
END
$$;

CREATE FUNCTION keypool.backfill(batch int)
RETURNS TABLE (step text, rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  each record;
BEGIN
  FOR each IN SELECT s.* FROM keypool.backfill_steps() s ORDER BY s.place LOOP
    step := each.step;
    rows := (SELECT coalesce(sum(keypool.backfill_partition(t.relid, each.statement, batch)), 0)
             FROM pg_partition_tree('keypool.chat_completion_requests') t
             JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'r');
    RETURN NEXT;
  END LOOP;
END
$$;
