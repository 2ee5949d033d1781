-- Moving in: keys that another system has sealed are opened here and stored as add_key stores them.

CREATE FUNCTION @extschema@.import_fernet(
  token text, fernet_key text, provider text, name text = NULL, user_id text = NULL,
  organization_id text = NULL, expires_at timestamptz = NULL, max_age interval = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_import_fernet';

CREATE FUNCTION @extschema@.import_aes_gcm(
  sealed text, password text, provider text, name text = NULL, user_id text = NULL,
  organization_id text = NULL, expires_at timestamptz = NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keypool_import_aes_gcm';
