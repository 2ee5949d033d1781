-- What people write today: a table, PL/pgSQL, SKIP LOCKED and pgcrypto; sixteen keys, as in
-- bench_16.
CREATE SCHEMA today;

CREATE TABLE today.api_keys (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider     text NOT NULL,
  secret       bytea NOT NULL,
  enabled      bool NOT NULL DEFAULT true,
  uses         bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE INDEX ON today.api_keys (provider);

INSERT INTO today.api_keys (provider, secret)
SELECT 'openai', pgp_sym_encrypt(bench.api_key(n), 'passphrase')
FROM generate_series(1, 16) AS n;

CREATE FUNCTION today.pick_key(wanted text) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  sealed bytea;
BEGIN
  UPDATE today.api_keys k
    SET uses = k.uses + 1, last_used_at = clock_timestamp()
    WHERE k.id = (SELECT c.id FROM today.api_keys c
                  WHERE c.provider = wanted AND c.enabled
                  ORDER BY c.last_used_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING k.secret INTO sealed;
  RETURN pgp_sym_decrypt(sealed, 'passphrase');
END
$$;

-- One pick a transaction without a socket in between, both ways.
CREATE PROCEDURE today.pick_and_commit(times int)
LANGUAGE plpgsql
AS $$
DECLARE
  secret text;
BEGIN
  FOR i IN 1 .. times LOOP
    secret := today.pick_key('openai');
    COMMIT;
  END LOOP;
END
$$;

CREATE PROCEDURE bench.pick_and_commit(times int)
LANGUAGE plpgsql
AS $$
DECLARE
  secret text;
BEGIN
  FOR i IN 1 .. times LOOP
    secret := pick_key('bench_16');
    COMMIT;
  END LOOP;
END
$$;
