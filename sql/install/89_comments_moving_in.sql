COMMENT ON FUNCTION @extschema@.import_fernet(
  text, text, text, text, text, text, timestamptz, interval)
IS 'Opens a Fernet token and stores the key in it as add_key does; returns its id. However old the '
   'token is, unless max_age is given.';
COMMENT ON FUNCTION @extschema@.import_aes_gcm(text, text, text, text, text, text, timestamptz)
IS 'Opens base64 or hex of nonce, ciphertext and tag, sealed by AES-256-GCM under the SHA-256 of a '
   'password, and stores the key in it as add_key does; returns its id.';
