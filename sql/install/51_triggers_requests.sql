-- The log's triggers. By row, so that a partition written to by its own name, COPY and logical
-- replication count alike; in every replication role, so that the views stay exact.

CREATE TRIGGER request_logged
  AFTER INSERT OR UPDATE OR DELETE ON keypool.chat_completion_requests
  FOR EACH ROW EXECUTE FUNCTION keypool.request_logged();
ALTER TABLE keypool.chat_completion_requests ENABLE ALWAYS TRIGGER request_logged;

CREATE TRIGGER request_versioned
  BEFORE UPDATE ON keypool.chat_completion_requests
  FOR EACH ROW EXECUTE FUNCTION keypool.request_versioned();
ALTER TABLE keypool.chat_completion_requests ENABLE ALWAYS TRIGGER request_versioned;

COMMENT ON TRIGGER request_logged ON keypool.chat_completion_requests IS
  'Counts each row for its key when its transaction commits, and records what an UPDATE or DELETE ends';
COMMENT ON TRIGGER request_versioned ON keypool.chat_completion_requests IS
  'Names the transaction that wrote the row''s new version';
