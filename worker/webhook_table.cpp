#include "worker/webhook_table.hpp"

#include <string_view>

#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// Of an enabled webhook `w`, the deliveries that nothing but the clock holds back.
#define KEYPOOL_WAITING                                                          \
  " keypool.webhook_deliveries d WHERE d.webhook_id = w.id"                      \
  " AND d.next_attempt_at IS NOT NULL AND NOT (d.event = 'cleared' AND EXISTS (" \
  "  SELECT FROM keypool.webhook_deliveries r"                                   \
  "  WHERE r.webhook_id = d.webhook_id AND r.alert_id = d.alert_id"              \
  "  AND r.event = 'raised' AND r.next_attempt_at IS NOT NULL))"

// The body in UTF-8, whatever the database's encoding; where that is none, as it is.
constexpr const char* kReadDue =
    "SELECT d.id::text, w.id, d.alert_id, d.event, d.attempts, w.url, w.envelope,"
    " convert_to(json_build_object('event', d.event, 'alert', json_build_object("
    "  'id', a.id, 'kind', a.kind, 'severity', a.severity, 'subject', a.subject,"
    "  'provider', a.provider, 'key_id', a.key_id, 'message', a.message, 'details', a.details,"
    "  'raised_at', a.raised_at, 'cleared_at', a.cleared_at),"
    " 'database', current_database(), 'delivery', d.id, 'sent_at', clock_timestamp())::text,"
    " CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
    " FROM keypool.alert_webhooks w CROSS JOIN LATERAL ("
    "  SELECT d.* FROM" KEYPOOL_WAITING
    "  AND d.next_attempt_at <= now() AND d.id <> ALL ($1::uuid[])"
    "  ORDER BY d.next_attempt_at, d.alert_id LIMIT $2) AS d"
    " JOIN keypool.alerts a ON a.id = d.alert_id"
    " WHERE w.enabled ORDER BY d.next_attempt_at, d.alert_id";

constexpr const char* kNext =
    "SELECT min(n.at) FROM keypool.alert_webhooks w CROSS JOIN LATERAL ("
    "  SELECT min(d.next_attempt_at) AS at FROM" KEYPOOL_WAITING
    "  AND d.next_attempt_at > now()) AS n WHERE w.enabled";

#undef KEYPOOL_WAITING

constexpr const char* kRecord =
    "UPDATE keypool.webhook_deliveries d SET attempts = d.attempts + 1,"
    " delivered_at = CASE WHEN n.result = 'delivered' THEN now() END,"
    " given_up_at = CASE WHEN n.result IN ('given_up', 'gone') THEN now() END,"
    " next_attempt_at = CASE WHEN n.result = 'failed' THEN now() + n.pause * interval '1 us' END,"
    " last_status = nullif(n.status, 0), last_error = nullif(n.error, '')"
    " FROM unnest($1::uuid[], $2, $3, $4, $5) AS n (id, result, status, error, pause)"
    " WHERE d.id = n.id AND d.next_attempt_at IS NOT NULL";

std::string_view name(Attempt::Result result) {
  static constexpr std::string_view kNames[] = {"delivered", "failed", "given_up", "gone"};
  return kNames[static_cast<std::size_t>(result)];
}

std::string text_of(pg::Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size()};
}

}  // namespace

std::vector<DueDelivery> read_due_deliveries(const std::vector<std::string>& under_way,
                                             std::size_t most) {
  const std::vector<std::string_view> ids(under_way.begin(), under_way.end());
  pg::Session session;
  const pg::Rows rows = session.run(kReadDue, ids, static_cast<std::int64_t>(most));
  std::vector<DueDelivery> due(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    DueDelivery& delivery = due[row];
    delivery.id = rows.get<std::string>(row, 0);
    delivery.webhook_id = rows.get<std::int64_t>(row, 1);
    delivery.alert_id = rows.get<std::int64_t>(row, 2);
    delivery.event = rows.get<std::string>(row, 3);
    delivery.attempts = rows.get<std::int32_t>(row, 4);
    delivery.url = rows.get<std::string>(row, 5);
    const auto envelope = rows.get<pg::Bytes>(row, 6).data;
    delivery.envelope.assign(envelope.begin(), envelope.end());
    delivery.body = text_of(rows.get<pg::Bytes>(row, 7));
  }
  return due;
}

core::Micros next_delivery() {
  pg::Session session;
  const pg::Rows rows = session.run(kNext);
  const auto next = rows.optional<pg::Instant>(0, 0);
  return next ? next->value : core::kNever;
}

void record_attempts(const std::vector<Attempted>& attempts) {
  std::vector<std::string_view> ids, results, errors;
  std::vector<std::int64_t> statuses, pauses, gone;
  for (const Attempted& delivery : attempts) {
    const Attempt& attempt = delivery.attempt;
    ids.push_back(delivery.id);
    results.push_back(name(attempt.result));
    statuses.push_back(attempt.status);
    errors.push_back(attempt.error);
    pauses.push_back(attempt.pause);
    if (attempt.result == Attempt::Result::kGone) gone.push_back(delivery.webhook_id);
  }
  pg::Session session;
  session.run(kRecord, ids, results, statuses, errors, pauses);
  if (gone.empty()) return;
  session.run("UPDATE keypool.alert_webhooks SET enabled = false WHERE id = ANY ($1) AND enabled",
              gone);
}

void sweep_deliveries() {
  pg::Session session;
  session.run(
      "DELETE FROM keypool.webhook_deliveries d WHERE d.created_at < now() - interval '7 days'"
      " OR NOT EXISTS (SELECT FROM keypool.alert_webhooks w WHERE w.id = d.webhook_id)");
}

}  // namespace keypool::worker
