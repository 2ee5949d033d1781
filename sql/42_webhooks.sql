-- Webhooks: what may be stored, and what is shown of it.
\getenv folder PG_ABS_SRCDIR
\set start :folder '/sql/support/start.sql'
\i :start

-- By function, and by plain SQL. What was sealed is shown as that, and nothing else.
SELECT add_webhook('https://example.com/hooks/1', 'a-secret-of-some-length-1');
SELECT add_webhook('http://127.0.0.1:9/x', 'a-secret-of-some-length-2', '{budget_spent,rate_limit}',
                   'for the money', false);
INSERT INTO keypool.alert_webhooks (url, secret, description)
VALUES ('https://example.com/hooks/3', 'a-secret-of-some-length-3', 'third') RETURNING id, secret;
SELECT id, url, secret, octet_length(envelope) - 25 AS length, events, enabled, description
FROM keypool.alert_webhooks ORDER BY id;

-- An UPDATE of the secret seals anew; of anything else it leaves the secret as it is.
CREATE TEMP TABLE before AS SELECT id, envelope FROM keypool.alert_webhooks;
UPDATE keypool.alert_webhooks SET secret = 'another-secret-of-it' WHERE id = 1;
UPDATE keypool.alert_webhooks SET url = 'https://example.com/elsewhere', enabled = false WHERE id = 3;
SELECT id, w.secret, w.envelope = b.envelope AS same
FROM keypool.alert_webhooks w JOIN before b USING (id) ORDER BY id;

-- What may not be.
SELECT pg_temp.failure($$ SELECT add_webhook('ftp://example.com', repeat('s', 20)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://u:p@example.com', repeat('s', 20)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://', repeat('s', 20)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://a b', repeat('s', 20)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', 'too short') $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', repeat('s', 257)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', repeat('s', 20), '{nonsense}') $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', repeat('s', 20), '{}') $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', repeat('s', 20), '{NULL}') $$);
SELECT pg_temp.failure($$ SELECT add_webhook(NULL, repeat('s', 20)) $$);
SELECT pg_temp.failure($$ SELECT add_webhook('https://example.com', NULL) $$);
SELECT pg_temp.failure($$ INSERT INTO keypool.alert_webhooks (url, secret)
                          VALUES ('example.com', repeat('s', 20)) $$);
SELECT pg_temp.failure($$ INSERT INTO keypool.alert_webhooks (url) VALUES ('https://example.com') $$);
SELECT pg_temp.failure($$ INSERT INTO keypool.alert_webhooks (url, secret)
                          VALUES ('https://example.com', '[sealed]') $$);
SELECT pg_temp.failure($$ UPDATE keypool.alert_webhooks SET events = '{nonsense}' WHERE id = 1 $$);
SELECT pg_temp.failure($$ UPDATE keypool.alert_webhooks SET id = 9 WHERE id = 1 $$);
SELECT pg_temp.failure($$ UPDATE keypool.alert_webhooks SET envelope = (
                            SELECT envelope FROM keypool.alert_webhooks WHERE id = 3)
                          WHERE id = 1 $$);
SELECT pg_temp.failure($$ UPDATE keypool.alert_webhooks SET secret = NULL WHERE id = 1 $$);
SELECT pg_temp.failure($$ SELECT keypool.guard_webhook() $$);

-- Whoever runs as a replica, or without the trigger, stores no secret in the clear either.
SET session_replication_role = replica;
INSERT INTO keypool.alert_webhooks (url, secret)
VALUES ('https://example.com/hooks/4', 'a-secret-of-some-length-4') RETURNING secret;
RESET session_replication_role;
BEGIN;
ALTER TABLE keypool.alert_webhooks DISABLE TRIGGER guard_webhook;
SELECT left(line, 5) FROM pg_temp.failure($$
  INSERT INTO keypool.alert_webhooks (url, secret, envelope)
  VALUES ('https://example.com', 'a-secret-of-some-length-5', '\x00') $$) AS line LIMIT 1;
ROLLBACK;

-- Readers see where posts go as far as the host.
SELECT webhook_id, target, description, enabled, events, waiting, delivered, given_up, last_error
FROM keypool.webhook_status ORDER BY webhook_id;

DELETE FROM keypool.alert_webhooks;
SELECT count(*) FROM keypool.webhook_status;
