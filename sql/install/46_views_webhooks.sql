-- How the webhooks do.

-- The path of a URL may be what lets one post there, so readers see the host alone.
CREATE VIEW keypool.webhook_status AS
SELECT w.id AS webhook_id, substring(w.url FROM '^https?://[^/?#]+') AS target, w.description,
       w.enabled, w.events, d.waiting, d.delivered, d.given_up, d.last_delivered_at,
       l.last_status, l.last_error
FROM keypool.alert_webhooks w
CROSS JOIN LATERAL (
  SELECT count(n.next_attempt_at) AS waiting, count(n.delivered_at) AS delivered,
         count(n.given_up_at) AS given_up, max(n.delivered_at) AS last_delivered_at
  FROM keypool.webhook_deliveries n WHERE n.webhook_id = w.id
) d
LEFT JOIN LATERAL (
  SELECT n.last_status, n.last_error
  FROM keypool.webhook_deliveries n
  WHERE n.webhook_id = w.id AND n.attempts > 0
  ORDER BY coalesce(n.delivered_at, n.given_up_at, n.next_attempt_at) DESC, n.id LIMIT 1
) l ON true;
