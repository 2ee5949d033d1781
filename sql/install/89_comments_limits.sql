-- What limits of keys remember, for people.

COMMENT ON COLUMN keypool.key_state.limit_counts IS
  'What counts towards the limits of the key, by window, and what the provider told is left.';
