COMMENT ON FUNCTION @extschema@.current_keypool_user()
IS 'The user for whom this session acts: keypool.user_id, which only trusted roles can set; else the subject of request.jwt.claims, if the session user is such a role. NULL: nobody is known.';
COMMENT ON FUNCTION @extschema@.add_my_key(text, text, text, text[], text, timestamptz)
IS 'Stores a key of the current user and returns its id. At most 20 at a provider; the key is sent to the provider''s own address alone. Errors: 42501 no user is known, 53400 too many, KP003 not the provider''s format, 23505 stored already.';
COMMENT ON FUNCTION @extschema@.my_keys()
IS 'The current user''s keys that are not revoked, masked, with their state and use. Costs in dollars.';
COMMENT ON FUNCTION @extschema@.revoke_my_key(bigint, text)
IS 'Takes a key of the current user out of use at COMMIT and destroys its ciphertext. 42704 when he has no such key, whether or not somebody else has.';
COMMENT ON FUNCTION @extschema@.my_usage(int)
IS 'The current user''s requests of the last days (1 to 366, UTC, today included) by day, provider, model and whose key served them. Costs in dollars; NULL where no price is known.';
COMMENT ON FUNCTION keypool.sees_all_users()
IS 'Internal: whether the current role sees all users'' keys and requests, as every level from reader on does.';
COMMENT ON INDEX keypool.api_keys_user_revoked
IS 'How many keys a user has revoked of late, which is what bounds add_my_key';
