-- How much the keys of each provider and kind of owner were used since ever: sums that never fall.
--
-- keypool.key_state knows it of each key. But there may be a million of them, and they go back:
-- a key is deleted, requests are deleted from the log. A monitoring system takes every step back
-- for a restart from zero. So each statement that writes key_state adds here what has grown, as
-- rows of its own, since nobody shall wait for anybody; now and then these rows are added up.

CREATE TABLE keypool.key_totals (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider   text COLLATE "C" NOT NULL,
  key_source text COLLATE "C" NOT NULL,
  picks      bigint NOT NULL,
  requests   bigint NOT NULL,
  errors     bigint NOT NULL,
  -- Of any size: what somebody has logged by mistake must not keep states from being written.
  tokens     numeric NOT NULL,
  cost_nano  numeric NOT NULL
);

-- Restored rows of key_state are added up like all others; restored sums would count them twice.
SELECT pg_catalog.pg_extension_config_dump('keypool.key_totals', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('keypool.key_totals_id_seq', '');

-- Users' keys by provider, and those of which something is to be said: what is counted of a million
-- of them without reading their rows.
CREATE INDEX api_keys_of_users ON keypool.api_keys (provider, enabled, expires_at)
  WHERE user_id IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX key_state_not_healthy ON keypool.key_state (key_id) WHERE state <> 'healthy';

-- A transaction that sees an old snapshot leaves the adding up to others: it could not delete what
-- one of them has deleted.
CREATE FUNCTION keypool.add_up_key_totals()
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH
    mine AS (
      SELECT t.id FROM keypool.key_totals t
      WHERE current_setting('transaction_isolation') = 'read committed'
      FOR UPDATE SKIP LOCKED
    ),
    taken AS (
      DELETE FROM keypool.key_totals t USING mine m WHERE t.id = m.id RETURNING t.*
    )
  INSERT INTO keypool.key_totals (provider, key_source, picks, requests, errors, tokens, cost_nano)
  SELECT t.provider, t.key_source, sum(t.picks), sum(t.requests), sum(t.errors), sum(t.tokens),
         sum(t.cost_nano)
  FROM taken t
  GROUP BY t.provider, t.key_source
$$;

CREATE FUNCTION keypool.count_key_totals()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rows_between CONSTANT int := 256;
  last_id bigint;
  added int;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO keypool.key_totals
      (provider, key_source, picks, requests, errors, tokens, cost_nano)
    SELECT k.provider, k.key_source, sum(n.picks), sum(n.requests), sum(n.errors), sum(n.tokens),
           sum(n.cost_nano)
    FROM new_rows n
    JOIN keypool.api_keys k ON k.id = n.key_id
    WHERE n.picks > 0 OR n.requests > 0 OR n.errors > 0 OR n.tokens > 0 OR n.cost_nano > 0
    GROUP BY k.provider, k.key_source;
  ELSE
    INSERT INTO keypool.key_totals
      (provider, key_source, picks, requests, errors, tokens, cost_nano)
    SELECT k.provider, k.key_source, sum(greatest(n.picks - o.picks, 0)),
           sum(greatest(n.requests - o.requests, 0)), sum(greatest(n.errors - o.errors, 0)),
           sum(greatest(n.tokens - o.tokens, 0)), sum(greatest(n.cost_nano - o.cost_nano, 0))
    FROM new_rows n
    JOIN old_rows o ON o.key_id = n.key_id
    JOIN keypool.api_keys k ON k.id = n.key_id
    WHERE n.picks > o.picks OR n.requests > o.requests OR n.errors > o.errors
       OR n.tokens > o.tokens OR n.cost_nano > o.cost_nano
    GROUP BY k.provider, k.key_source;
  END IF;
  GET DIAGNOSTICS added = ROW_COUNT;
  IF added > 0 THEN
    last_id := currval('keypool.key_totals_id_seq');
    IF last_id / rows_between <> (last_id - added) / rows_between THEN
      PERFORM keypool.add_up_key_totals();
    END IF;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER count_new_key_totals
  AFTER INSERT ON keypool.key_state
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.count_key_totals();
CREATE TRIGGER count_key_totals
  AFTER UPDATE ON keypool.key_state
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.count_key_totals();
