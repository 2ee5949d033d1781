-- A secret looked up by name, as in Supabase Vault's view vault.decrypted_secrets. Vault is in no
-- Debian package, so this is a lower bound of what it costs: the same row found by the same unique
-- index, and nothing decrypted at all.
CREATE SCHEMA vault;

CREATE TABLE vault.secrets (
  id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name        text UNIQUE,
  description text NOT NULL DEFAULT '',
  secret      text NOT NULL,
  nonce       bytea NOT NULL DEFAULT '\x000102030405060708090a0b0c0d0e0f',
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW vault.undecrypted_secrets AS
SELECT s.id, s.name, s.description, s.secret,
       convert_from(decode(s.secret, 'base64'), 'utf8') AS decrypted_secret,
       s.created_at, s.updated_at
FROM vault.secrets s;

INSERT INTO vault.secrets (name, secret)
SELECT 'key-' || n, encode(convert_to(bench.api_key(n), 'utf8'), 'base64')
FROM generate_series(0, 15) AS n;

CREATE FUNCTION vault.key(wanted text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  found text;
BEGIN
  SELECT s.decrypted_secret INTO STRICT found
    FROM vault.undecrypted_secrets s
    WHERE s.name = wanted;
  RETURN found;
END
$$;
