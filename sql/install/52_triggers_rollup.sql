-- TRUNCATE ends all rows of the log and tells of none. By statement, on the log as a whole: who
-- truncates or detaches a partition by itself calls keypool.rebuild_rollups().
CREATE TRIGGER requests_truncated
  AFTER TRUNCATE ON keypool.chat_completion_requests
  FOR EACH STATEMENT EXECUTE FUNCTION keypool.requests_truncated();
ALTER TABLE keypool.chat_completion_requests ENABLE ALWAYS TRIGGER requests_truncated;
