-- A user's own keys and requests, and all of them for those who look after all.
--
-- Owner and superusers are not subject to this, nor are the views and the functions in C, which act
-- as the owner. The question about all users comes first, and answers the other one where it says
-- yes.

ALTER TABLE keypool.api_keys ENABLE ROW LEVEL SECURITY;

-- In sub-selects it is asked once a query, not once a row.
CREATE POLICY see_own_keys ON keypool.api_keys FOR SELECT
  USING ((SELECT keypool.sees_all_users())
         OR user_id = (SELECT @extschema@.current_keypool_user()));
CREATE POLICY change_all_keys ON keypool.api_keys FOR UPDATE
  USING ((SELECT keypool.sees_all_users()));

COMMENT ON POLICY see_own_keys ON keypool.api_keys IS
  'Keys of the user for whom the session acts; all keys for levels from reader on';
COMMENT ON POLICY change_all_keys ON keypool.api_keys IS
  'Limits and the like are changed by those who see all keys';

ALTER TABLE keypool.chat_completion_requests ENABLE ROW LEVEL SECURITY;

-- Every INSERT ... RETURNING is checked against this, and planning two sub-selects for its one row
-- would take a quarter as long again as the INSERT: 11 microseconds, where the two calls take 4.
CREATE POLICY see_own_requests ON keypool.chat_completion_requests FOR SELECT
  USING (keypool.sees_all_users() OR user_id = @extschema@.current_keypool_user());
CREATE POLICY change_all_requests ON keypool.chat_completion_requests FOR UPDATE
  USING ((SELECT keypool.sees_all_users()));
CREATE POLICY delete_all_requests ON keypool.chat_completion_requests FOR DELETE
  USING ((SELECT keypool.sees_all_users()));
-- Whoever may INSERT is an application, which logs for all its users. A constant, which costs a
-- row nothing, and lets COPY pass too (src/api/copy_requests.hpp).
CREATE POLICY log_any_request ON keypool.chat_completion_requests FOR INSERT
  WITH CHECK (true);

COMMENT ON POLICY see_own_requests ON keypool.chat_completion_requests IS
  'Requests of the user for whom the session acts; all requests for levels from reader on';
COMMENT ON POLICY change_all_requests ON keypool.chat_completion_requests IS
  'Requests are changed by those who see all of them';
COMMENT ON POLICY delete_all_requests ON keypool.chat_completion_requests IS
  'Requests are deleted by those who see all of them';
COMMENT ON POLICY log_any_request ON keypool.chat_completion_requests IS
  'Whoever may log requests logs them for every user; COPY passes only while this stays as it is';
