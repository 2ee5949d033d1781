-- Moving in: import_fernet and import_aes_gcm. The seals were made by Python's cryptography.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start
\set fernet_key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
\set first 'gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD6Sr0eRvyi3Cr1w57AsPn9miynkYGwyCc_Bvay3s3OzGXEV6QKCHfoND43thLj2oRnd5pS3k06uPcyXLrtZN0-suxONzO5BAo51NzWQ4il8k'
\set second 'gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD6Sr0eRvyi3Cr1w57AsPn9miynkYGwyCc_Bvay3s3OzG-hhj7TAHFeEvYit1HAfsr8bOM-kjLqA5Zu6cD7VxXeZI94tIeJ6qJVECMIwYGkHD'
\set no_api_key 'gAAAAABlU_EAAAECAwQFBgcICQoLDA0ODzi4P-kXD-owWWNGau5p1M3B5hW2Dpt6ZgmzhhLwK5UlUIlQk7XZAUKR4E7bDluuRg=='
\set sealed 'AAECAwQFBgcICQoLfKzREHkrCQyOk2TVGAF01vZepr4vjU7wCTw3XdOGpth+UoF4ESr34EAp7z8jERmiWy0aFw=='

-- What came of an import; the key is revoked, so that its secret can be imported once more.
CREATE FUNCTION pg_temp.taken(key_id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM revoke_key(key_id);
  RETURN (SELECT k.provider || ' ' || k.hint FROM keypool.api_keys k WHERE k.id = key_id);
END $$;

-- A token is opened, whenever it was made; what was in it is stored as add_key stores it.
SELECT import_fernet(:'first', :'fernet_key', 'OpenAI', 'from the old gateway', user_id => 'u1',
                     expires_at => '2031-01-01 00:00:00+00');
SELECT provider, name, user_id, hint, expires_at = '2031-01-01 00:00:00+00'
FROM keypool.api_keys WHERE id = 1;
SELECT right(pick_key('openai', 'u1'), 6);
SELECT import_fernet(:'second', :'fernet_key', 'openai', organization_id => 'o1');
SELECT provider, name, key_source, owner FROM keypool.api_keys WHERE id = 2;

-- Imported again, it says which key it is; so does add_key.
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L, user_id => %L)',
                              :'first', :'fernet_key', 'openai', 'u1'));
SELECT pg_temp.failure($$ SELECT add_key('openai', 'sk-proj-' || repeat('f', 24) || '0001',
                                         user_id => 'u1') $$);

-- Base64 of either alphabet, with padding or without, in lines; hex. Keys likewise.
SELECT pg_temp.taken(import_fernet(rtrim(translate(:'first', '-_', '+/'), '='), rtrim(:'fernet_key', '='), 'openai'));
SELECT pg_temp.taken(import_fernet(E'\n' || left(:'first', 76) || E'\r\n' || substr(:'first', 77) || E'\n',
                     encode(decode(:'fernet_key', 'base64'), 'hex'), 'openai'));
SELECT pg_temp.taken(import_fernet(decode(translate(:'first', '-_', '+/'), 'base64')::text, :'fernet_key', 'openai'));

-- Neither key nor token is told which of them is wrong.
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L)', :'first', repeat('A', 43) || '=', 'openai'));
SELECT DISTINCT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L)', t, k, 'openai'))
FROM (VALUES (:'first', ''), ('', :'fernet_key'), (overlay(:'first' PLACING 'x' FROM 100), :'fernet_key'),
             (left(:'first', 100), :'fernet_key'), (:'first', left(:'fernet_key', 40))) AS v (t, k);
-- An age limit counts only if it is given.
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L, max_age => %L)',
                              :'first', :'fernet_key', 'openai', '1 day'));
SELECT pg_temp.taken(import_fernet(:'first', :'fernet_key', 'openai', max_age => '100 years'));

-- What is sealed must be a key of that provider, and is not shown when it is not.
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L)', :'no_api_key', :'fernet_key', 'openai'));
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L)', :'first', :'fernet_key', 'anthropic'));
SELECT pg_temp.failure(format('SELECT import_fernet(%L, %L, %L)', :'first', :'fernet_key', 'opnai'));
SELECT pg_temp.failure(format('SELECT import_fernet(NULL, %L, %L)', :'fernet_key', 'openai'));
SELECT pg_temp.failure(format('SELECT import_fernet(%L, NULL, %L)', :'first', 'openai'));

-- AES-256-GCM under the SHA-256 of a password.
SELECT import_aes_gcm(:'sealed', 'correct horse', 'openai', 'moved', 'u1') IS NOT NULL;
SELECT provider, user_id, hint FROM keypool.api_keys WHERE name = 'moved';
SELECT regexp_replace(pg_temp.failure(format('SELECT import_aes_gcm(%L, %L, %L, user_id => %L)',
                      :'sealed', 'correct horse', 'openai', 'u1')), 'key \d+', 'key <id>');
SELECT pg_temp.taken(import_aes_gcm(encode(decode(:'sealed', 'base64'), 'hex'), 'correct horse', 'openai'));
SELECT pg_temp.taken(import_aes_gcm(decode(:'sealed', 'base64')::text, 'correct horse', 'openai'));
SELECT pg_temp.failure(format('SELECT import_aes_gcm(%L, %L, %L)', :'sealed', 'correct horsf', 'openai'));
SELECT DISTINCT pg_temp.failure(format('SELECT import_aes_gcm(%L, %L, %L)', s, 'correct horse', 'openai'))
FROM (VALUES (''), ('%'), (left(:'sealed', 40)), (overlay(:'sealed' PLACING 'x' FROM 50))) AS v (s);

-- A table of tokens, row by row: what cannot be taken over says why and stops nothing, and another
-- run adds nothing.
CREATE TEMP TABLE old_keys (id int, owner text, token text);
INSERT INTO old_keys VALUES (1, 'u8', :'first'), (2, 'u8', :'no_api_key'), (3, 'u9', :'second');
CREATE FUNCTION pg_temp.move_in(fernet_key text) RETURNS TABLE (old_id int, outcome text)
LANGUAGE plpgsql AS $$
DECLARE
  old record;
BEGIN
  FOR old IN SELECT * FROM old_keys ORDER BY id LOOP
    old_id := old.id;
    BEGIN
      PERFORM import_fernet(old.token, fernet_key, 'openai', user_id => old.owner);
      outcome := 'taken over';
    EXCEPTION WHEN OTHERS THEN
      outcome := regexp_replace(SQLERRM, '\d+', '<id>');
    END;
    RETURN NEXT;
  END LOOP;
END $$;
SELECT * FROM pg_temp.move_in(:'fernet_key');
SELECT * FROM pg_temp.move_in(:'fernet_key');
SELECT count(*) FROM keypool.api_keys WHERE user_id IN ('u8', 'u9');
