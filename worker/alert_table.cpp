#include "worker/alert_table.hpp"

#include <optional>
#include <string_view>
#include <utility>

#include "core/failure.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// What follows the writing of alerts as `alert`: a delivery for each webhook that is to be told,
// and a notification. Its payload must stay below 8000 bytes. All its parts are bounded well below
// that, but an owner's name may be made of characters that JSON writes with six bytes each.
#define KEYPOOL_TELL(event, alert)                                                \
  ", deliveries AS ("                                                             \
  " INSERT INTO keypool.webhook_deliveries (webhook_id, alert_id, event)"         \
  " SELECT w.id, a.id, '" event "' FROM " alert                                   \
  " a JOIN keypool.alert_webhooks w"                                              \
  " ON w.enabled AND (w.events IS NULL OR a.kind = ANY (w.events)))"              \
  " SELECT count(pg_notify('keypool_alerts', jsonb_build_object('event', '" event \
  "', 'alert_id', a.id, 'kind', a.kind, 'subject', a.subject,"                    \
  " 'severity', a.severity, 'message', left(a.message, 500))::text))"             \
  " FROM " alert " a"

constexpr const char* kRaise =
    "WITH raised AS ("
    " INSERT INTO keypool.alerts"
    " (kind, subject, severity, provider, key_id, message, details)"
    " SELECT n.kind, n.subject, n.severity, nullif(n.provider, ''), nullif(n.key_id, 0),"
    " n.message, n.details::jsonb"
    " FROM unnest($1, $2, $3, $4, $5, $6, $7)"
    " AS n (kind, subject, severity, provider, key_id, message, details)"
    " ON CONFLICT (kind, subject) WHERE cleared_at IS NULL DO NOTHING"
    " RETURNING id, kind, subject, severity, message)" KEYPOOL_TELL("raised", "raised");

constexpr const char* kClear =
    "WITH cleared AS ("
    " UPDATE keypool.alerts SET cleared_at = now() WHERE id = ANY ($1) AND cleared_at IS NULL"
    " RETURNING id, kind, subject, severity, message)" KEYPOOL_TELL("cleared", "cleared");

#undef KEYPOOL_TELL

core::OwnerKind owner_kind(std::string_view text) {
  for (const auto kind : {core::OwnerKind::kUser, core::OwnerKind::kOrganization}) {
    if (text == core::name(kind)) return kind;
  }
  return core::OwnerKind::kSystem;
}

core::KeyFact stored_key(const pg::Rows& rows, std::size_t row) {
  core::KeyFact key;
  key.key_id = rows.get<std::int64_t>(row, 0);
  key.enabled = rows.get<bool>(row, 4);
  const auto failure = rows.optional<std::string_view>(row, 5);
  if (failure) {
    key.state = core::KeyState::kUnhealthy;
    key.standing.blocked = core::Blocked::kUnhealthy;
    key.failure = core::failure_from_name(*failure).value_or(core::FailureClass::kUnknown);
  }
  key.expires_at = rows.get<pg::Instant>(row, 6).value;
  return key;
}

}  // namespace

core::OpenAlerts read_open_alerts() {
  std::vector<std::string_view> kinds;
  for (const core::AlertKind kind : core::kAlertKinds) kinds.push_back(core::name(kind));
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT id, kind, subject, severity, coalesce(key_id, 0) FROM keypool.alerts"
      " WHERE cleared_at IS NULL AND kind = ANY ($1)",
      kinds);
  core::OpenAlerts open;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto kind = core::alert_kind_from_name(rows.get<std::string_view>(row, 1));
    const auto severity = core::severity_from_name(rows.get<std::string_view>(row, 3));
    open[{*kind, rows.get<std::string>(row, 2)}] = {rows.get<std::int64_t>(row, 0),
                                                    severity.value_or(core::Severity::kWarning),
                                                    rows.get<std::int64_t>(row, 4)};
  }
  return open;
}

std::vector<std::pair<std::string, core::OwnerFact>> read_stored_keys(
    const std::vector<std::int64_t>& ids) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT k.id, k.provider, k.key_source, k.owner, k.enabled,"
      " CASE WHEN s.state = 'unhealthy' THEN coalesce(s.failure_class, 'unknown') END,"
      " coalesce(k.expires_at, 'infinity')"
      " FROM keypool.api_keys k LEFT JOIN keypool.key_state s ON s.key_id = k.id"
      " WHERE k.id = ANY ($1) AND k.revoked_at IS NULL",
      ids);
  std::vector<std::pair<std::string, core::OwnerFact>> owners;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    core::OwnerFact owner;
    owner.kind = owner_kind(rows.get<std::string_view>(row, 2));
    owner.owner = rows.get<std::string>(row, 3);
    owner.keys.push_back(stored_key(rows, row));
    owners.emplace_back(rows.get<std::string>(row, 1), std::move(owner));
  }
  return owners;
}

KeyAges read_key_ages(const std::vector<std::int64_t>& ids) {
  KeyAges ages;
  for (const std::int64_t id : ids) ages[id] = core::kNever;
  pg::Session session;
  const pg::Rows rows =
      session.run("SELECT id, created_at FROM keypool.api_keys WHERE id = ANY ($1)", ids);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ages[rows.get<std::int64_t>(row, 0)] = rows.get<pg::Instant>(row, 1).value;
  }
  return ages;
}

KeyLabels read_key_labels(const std::vector<std::int64_t>& ids) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT id, name, hint FROM keypool.api_keys WHERE id = ANY ($1) AND revoked_at IS NULL",
      ids);
  KeyLabels labels;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    labels[rows.get<std::int64_t>(row, 0)] = {rows.get<std::string>(row, 1),
                                              rows.get<std::string>(row, 2)};
  }
  return labels;
}

void raise_alerts(const std::vector<NewAlert>& alerts) {
  std::vector<std::string_view> kinds, subjects, severities, providers, messages, details;
  std::vector<std::int64_t> key_ids;
  for (const NewAlert& alert : alerts) {
    kinds.push_back(core::name(alert.identity.kind));
    subjects.push_back(alert.identity.subject);
    severities.push_back(core::name(alert.severity));
    providers.push_back(alert.provider);
    key_ids.push_back(alert.key_id);
    messages.push_back(alert.text.message);
    details.push_back(alert.text.details);
  }
  pg::Session session;
  session.run(kRaise, kinds, subjects, severities, providers, key_ids, messages, details);
}

void clear_alerts(const std::vector<std::int64_t>& ids) {
  pg::Session session;
  session.run(kClear, ids);
}

void touch_alerts(const std::vector<std::int64_t>& ids) {
  pg::Session session;
  session.run("UPDATE keypool.alerts SET last_seen_at = now() WHERE id = ANY ($1)", ids);
}

}  // namespace keypool::worker
