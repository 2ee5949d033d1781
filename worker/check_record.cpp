#include "worker/check_record.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "core/error.hpp"
#include "core/health.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/loader.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// By key, which also is the order in which rows are locked; of two checks of one key the later.
using Outcomes = std::map<std::int64_t, const CheckOutcome*>;

core::Failure failure_of(const CheckOutcome& outcome) {
  return {.kind = outcome.verdict.failure,
          .retry_at = outcome.verdict.retry_at.value_or(0),
          .for_model = outcome.verdict.for_model,
          .http_status = static_cast<std::uint16_t>(outcome.result.http_status.value_or(0)),
          .code = outcome.verdict.code};
}

std::vector<std::int64_t> ids_of(const Outcomes& outcomes) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, outcome] : outcomes) ids.push_back(id);
  return ids;
}

// The rules for outages need all keys of a provider side by side, even before the first pick. A
// pool that is too small is a matter for the picks, which say so.
void fill_pool() {
  try {
    store::ensure_mirrored(store::current_database());
  } catch (const core::Error&) {
    // Then the keys are judged one by one.
  }
}

void drop_superseded(pg::Session& session, Outcomes& outcomes) {
  std::vector<std::string_view> versions;
  for (const auto& [id, outcome] : outcomes) versions.push_back(outcome->version);
  const pg::Rows rows = session.run(
      "SELECT k.id FROM keypool.api_keys k JOIN unnest($1, $2) AS checked (id, version)"
      " ON k.id = checked.id AND coalesce(k.rotated_at, k.created_at)::text = checked.version"
      " WHERE k.revoked_at IS NULL",
      ids_of(outcomes), versions);
  std::unordered_set<std::int64_t> current;
  for (std::size_t row = 0; row < rows.size(); ++row)
    current.insert(rows.get<std::int64_t>(row, 0));
  std::erase_if(outcomes, [&](const auto& entry) { return !current.contains(entry.first); });
}

// Tells the pool; returns those that are not in it.
Outcomes report(const Outcomes& outcomes) {
  Outcomes absent;
  core::Database& database = store::current_database();
  for (const auto& [id, outcome] : outcomes) {
    const double latency = outcome->result.latency_ms.value_or(-1);
    if (!store::report_check(database, id, failure_of(*outcome), latency)) {
      absent.emplace(id, outcome);
    }
  }
  return absent;
}

void write_checks(pg::Session& session, const Outcomes& outcomes, core::Micros now) {
  std::vector<std::string_view> statuses;
  std::vector<std::int64_t> latencies;
  for (const auto& [id, outcome] : outcomes) {
    statuses.push_back(outcome->result.status);
    latencies.push_back(outcome->result.latency_ms.value_or(0));
  }
  session.run(
      "INSERT INTO keypool.key_state AS s"
      " (key_id, last_checked_at, check_status, check_latency_ms, updated_at)"
      " SELECT c.id, $4, c.status, c.latency::int, now()"
      " FROM unnest($1, $2, $3) AS c (id, status, latency)"
      " ON CONFLICT (key_id) DO UPDATE SET last_checked_at = excluded.last_checked_at,"
      " check_status = excluded.check_status, check_latency_ms = excluded.check_latency_ms,"
      " updated_at = excluded.updated_at",
      ids_of(outcomes), statuses, latencies, pg::Instant{now});
}

std::map<std::int64_t, core::Health> read_health(pg::Session& session, const Outcomes& outcomes) {
  const pg::Rows rows = session.run(
      "SELECT key_id, state, cooldown_until, failure_class FROM keypool.key_state"
      " WHERE key_id = ANY ($1)",
      ids_of(outcomes));
  std::map<std::int64_t, core::Health> health;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    core::Health& one = health[rows.get<std::int64_t>(row, 0)];
    one = {};
    const auto state = rows.get<std::string_view>(row, 1);
    for (const auto known :
         {core::KeyState::kCooling, core::KeyState::kUnhealthy, core::KeyState::kHalfOpen}) {
      if (state == core::name(known)) one.state = known;
    }
    const auto until = rows.optional<pg::Instant>(row, 2);
    one.cooldown_until = until ? until->value : 0;
    const auto failure =
        core::failure_from_name(rows.optional<std::string_view>(row, 3).value_or(""));
    one.failure = failure.value_or(core::FailureClass::kNone);
  }
  return health;
}

// What the pool would have made of it, had the key been there.
core::Health judged(const core::Health& before, const CheckOutcome& outcome, core::Micros now) {
  core::Slot slot = {};
  slot.health = before;
  core::Provider provider{};
  const core::Failure failure = failure_of(outcome);
  core::settle(slot.health, now);
  if (failure.kind == core::FailureClass::kNone) {
    core::note_check_passed(slot, provider, now);
  } else {
    core::note_failure(slot, provider, failure, now, store::random());
  }
  return slot.health;
}

void write_health(pg::Session& session, const Outcomes& absent, core::Micros now) {
  const auto before = read_health(session, absent);
  std::vector<std::string_view> states, classes, errors;
  std::vector<std::int64_t> cooldowns;
  for (const auto& [id, outcome] : absent) {
    const auto known = before.find(id);
    const core::Health after =
        judged(known != before.end() ? known->second : core::Health{}, *outcome, now);
    states.push_back(core::name(after.state));
    classes.push_back(after.failure == core::FailureClass::kNone ? "" : core::name(after.failure));
    cooldowns.push_back(after.cooldown_until);
    const bool failed = outcome->verdict.failure != core::FailureClass::kNone;
    errors.push_back(!failed                         ? std::string_view{}
                     : outcome->verdict.code.empty() ? outcome->result.status
                                                     : outcome->verdict.code);
  }
  session.run(
      "UPDATE keypool.key_state s SET state = c.state, failure_class = nullif(c.class, ''),"
      " cooldown_until = CASE WHEN c.cooldown = 0 THEN s.cooldown_until ELSE"
      " timestamptz '2000-01-01 00:00:00+00' + c.cooldown * interval '1 microsecond' END,"
      " last_error = CASE WHEN c.error = '' THEN s.last_error ELSE c.error END,"
      " last_error_at = CASE WHEN c.error = '' THEN s.last_error_at ELSE $6 END"
      " FROM unnest($1, $2, $3, $4, $5) AS c (id, state, class, cooldown, error)"
      " WHERE s.key_id = c.id",
      ids_of(absent), states, classes, cooldowns, errors, pg::Instant{now});
}

}  // namespace

void record_outcomes(const std::vector<CheckOutcome>& outcomes, core::Micros now) {
  Outcomes current;
  for (const CheckOutcome& outcome : outcomes) current[outcome.key_id] = &outcome;
  Outcomes absent;
  pg::run_transaction([&] {
    fill_pool();
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    drop_superseded(session, current);
    if (current.empty()) return;
    absent = report(current);
    write_checks(session, current, now);
    if (!absent.empty()) write_health(session, absent, now);
  });
  // A pick may have brought such a key in before the commit, with its old state.
  report(absent);
}

}  // namespace keypool::worker
