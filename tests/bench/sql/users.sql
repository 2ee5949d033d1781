-- A table with keys of `users` users (psql variable), one each; `known_users` are asked for. Only
-- theirs are added with add_key(), by bench.add_users() since it takes a while. The others are
-- copies of one key, with triggers off: they fill table and indexes, and none can be opened.
INSERT INTO keypool.providers (name, display_name, health_check)
VALUES ('bench_users', 'A key for every user', false);

SELECT :users / :known_users AS every \gset
\set known_user 'SELECT ''user-'' || (n * 7919 % ' :known_users ') * ' :every

-- The nth of the known users. One is not the next one's neighbour, in the table or in an index.
CREATE FUNCTION bench.known_user(n bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS :'known_user';

CREATE FUNCTION bench.add_users(first int, last int) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  SELECT count(add_key('bench_users', bench.api_key(n), user_id => bench.known_user(n)))
  FROM generate_series(first, last) AS n
$$;

SELECT bench.add_users(0, 0);

SET session_replication_role = replica;
INSERT INTO keypool.api_keys (provider, name, user_id, envelope, fingerprint, hint)
SELECT k.provider, k.name, 'user-' || n, k.envelope, sha256(n::text::bytea), k.hint
FROM keypool.api_keys k, generate_series(1, :users - 1) AS n
WHERE k.provider = 'bench_users' AND (n % :every <> 0 OR n >= :known_users * :every);
RESET session_replication_role;

-- The same row by the same index without pg_keypool, opened with the cheapest cipher call of
-- pgcrypto. That cannot open our envelopes, so it decrypts a text of the same length instead.
CREATE FUNCTION bench.user_key(wanted text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  sealed bytea;
BEGIN
  SELECT k.envelope INTO STRICT sealed
    FROM keypool.api_keys k
    WHERE k.user_id = wanted AND k.provider = 'bench_users' AND k.revoked_at IS NULL;
  RETURN decrypt_iv(substr(sealed, 1, 64),
                    '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
                    '\x000102030405060708090a0b0c0d0e0f', 'aes-cbc/pad:none');
END
$$;
