#include "store/request_settlement.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <vector>

#include "core/selection.hpp"
#include "pg/owner.hpp"
#include "pg/settings.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/budget_settlement.hpp"
#include "store/catalog.hpp"
#include "store/coherence.hpp"
#include "store/key_slot.hpp"
#include "store/loader.hpp"
#include "store/report.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// One transaction's keys that are not in use push out no more than this part of those that are.
constexpr std::uint32_t kLoadedShare = 8;

using Keys = core::PendingUsage::Keys;

bool in_pool(core::Database& database, std::int64_t key_id) {
  const pg::SharedGuard guard(pool_lock());
  return pool().find_slot(database.oid.load(), key_id) != core::kNone;
}

// One statement, in the order of ids, so that two such transactions never wait for each other in a
// circle. Keys that are gone are passed over, and so is what would take from a key without a row:
// there is nothing to be taken.
void add_to_rows(std::vector<const Keys::Entry*>& keys) {
  if (keys.empty()) return;
  std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  const auto column = [&keys](auto pick) {
    std::vector<std::int64_t> values;
    values.reserve(keys.size());
    for (const Keys::Entry* key : keys) values.push_back(pick(*key));
    return values;
  };
  const pg::LatestSnapshot latest;
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  session.run(
      "INSERT INTO keypool.key_state AS old"
      " (key_id, requests, errors, tokens, cost_nano, cost_today_nano, cost_day, last_used_at)"
      " SELECT k.id, n.requests, n.errors, n.tokens, n.cost, n.cost_today,"
      " date '2000-01-01' + n.day::int, now()"
      " FROM unnest($1, $2, $3, $4, $5, $6, $7)"
      " AS n (id, requests, errors, tokens, cost, cost_today, day)"
      " JOIN keypool.api_keys AS k ON k.id = n.id"
      " WHERE least(n.requests, n.errors, n.tokens, n.cost) >= 0"
      " OR EXISTS (SELECT FROM keypool.key_state AS s WHERE s.key_id = n.id)"
      " ORDER BY n.id"
      " ON CONFLICT (key_id) DO UPDATE SET"
      " requests = greatest(old.requests + excluded.requests, 0),"
      " errors = greatest(old.errors + excluded.errors, 0),"
      " tokens = greatest(old.tokens + excluded.tokens, 0),"
      " cost_nano = greatest(old.cost_nano + excluded.cost_nano, 0),"
      " cost_today_nano = greatest(excluded.cost_today_nano"
      " + CASE WHEN old.cost_day = excluded.cost_day THEN old.cost_today_nano ELSE 0 END, 0),"
      " cost_day = excluded.cost_day",
      column([](const auto& key) { return key.key; }),
      column([](const auto& key) { return key.value.total.requests; }),
      column([](const auto& key) { return key.value.total.errors; }),
      column([](const auto& key) { return key.value.total.tokens; }),
      column([](const auto& key) { return key.value.total.cost_nano; }),
      column([](const auto& key) { return key.value.total.cost_today_nano; }),
      column([](const auto& key) { return std::int64_t{key.value.total.day}; }));
}

// Adds without falling below nothing or over the edge.
void adjust(std::uint64_t& count, std::int64_t by) noexcept {
  if (by < 0 && count < static_cast<std::uint64_t>(-by)) {
    count = 0;
  } else {
    count += static_cast<std::uint64_t>(by);
  }
}

void adjust(std::int64_t& amount, std::int64_t by) noexcept {
  if (__builtin_add_overflow(amount, by, &amount)) {
    amount = by > 0 ? std::numeric_limits<std::int64_t>::max() : 0;
  }
  amount = std::max<std::int64_t>(amount, 0);
}

std::uint32_t as_events(std::int64_t tokens) noexcept {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(tokens, 0, std::numeric_limits<std::uint32_t>::max()));
}

void use_tokens(core::Slot& slot, std::int64_t tokens, core::Micros now) noexcept {
  slot.tokens_minute.add(now, as_events(tokens));
  slot.told.tokens.use(now, as_events(tokens));
}

void add_totals(core::Usage& usage, const core::UsageDelta& total, core::Micros now) noexcept {
  adjust(usage.requests, total.requests);
  adjust(usage.errors, total.errors);
  adjust(usage.tokens, total.tokens);
  adjust(usage.cost_nano, total.cost_nano);
  const auto today = static_cast<std::int32_t>(now / core::kDay);
  if (total.day == today) {
    if (usage.cost_day != today) usage.cost_today_nano = 0;
    usage.cost_day = today;
    adjust(usage.cost_today_nano, total.cost_today_nano);
  }
  if (total.fresh_successes + total.fresh_failures != 0) usage.last_used_at = now;
  usage.recent.add(now, false, total.fresh_successes);
  usage.recent.add(now, true, total.fresh_failures);
}

void note_outcome(core::Slot& slot, core::Provider& provider, const core::LoggedOutcome& last,
                  const core::Moment& at) noexcept {
  if (!last.failed) {
    core::note_success(slot, provider, at.now);
    note_latency(slot, provider, last.latency_ms);
    return;
  }
  const core::Failure failure = {.kind = last.failure,
                                 .retry_at = last.retry_at,
                                 .model = last.model,
                                 .for_model = last.for_model,
                                 .http_status = last.http_status,
                                 .code = std::string_view(last.code.data())};
  core::note_failure(slot, provider, failure, at.now, at.random);
}

void settle_key(core::Database& database, std::int64_t key_id,
                const core::PendingKey& key) noexcept {
  if (key_id == 0) return;
  // Also one whose share is in its row: if it is in the pool by now, it was loaded without it, and
  // the row will be overwritten with what the pool says.
  change_slot(database, key_id,
              [&](core::Slot& slot, core::Provider& provider, const core::Moment& at) {
                add_totals(slot.usage, key.total, at.now);
                use_tokens(slot, key.total.fresh_tokens, at.now);
                if (key.has_outcome) note_outcome(slot, provider, key.last, at);
              });
}

// What was reserved becomes what was used. A lease that is over has been given back already; its
// tokens count all the same.
void settle_lease(core::Database& database, const core::PendingLease& used,
                  std::vector<core::Lease>& settled) noexcept {
  const auto lease = pool().leases().take(used.lease_id, database.oid.load());
  if (lease) settled.push_back(*lease);
  const std::int64_t key_id = lease ? lease->key_id : used.key_id;
  if (key_id == 0) return;
  change_slot(database, key_id, [&](core::Slot& slot, core::Provider&, const core::Moment& at) {
    const std::int64_t reserved = lease ? lease->tokens : 0;
    if (lease) {
      core::return_lease(slot, *lease, false);
      slot.tokens_minute.take_back(lease->acquired_at, as_events(reserved - used.tokens));
    }
    use_tokens(slot, used.tokens - reserved, at.now);
  });
}

// What the provider said after these requests includes them.
void tell_limits(core::Database& database, std::int64_t key_id,
                 const core::PendingKey& key) noexcept {
  if (key_id == 0 || key.told.empty()) return;
  change_slot(database, key_id, [&](core::Slot& slot, core::Provider&, const core::Moment& at) {
    slot.told.tell(at.now, key.told);
  });
}

// A request whose key is not known is no failure before the worker has looked for it.
void count_tracked(core::Database& database, core::Tracked kind, std::uint64_t times) noexcept {
  if (times == 0) return;
  const pg::Settings& settings = pg::settings();
  if (kind == core::Tracked::kLookupFailed && settings.worker && settings.lookup_attempts != 0) {
    database.tracking.awaiting.fetch_add(times);
    wake_worker(database.oid.load());
  } else {
    database.tracking.count(kind, times);
  }
}

}  // namespace

void prepare_settlement(core::PendingUsage& pending) {
  pending.settled().reserve(pending.leases().size());  // after the commit nothing may fail
  catch_up();
  core::Database& database = current_database();
  const auto absent = [&] {
    std::vector<const Keys::Entry*> keys;
    for (const Keys::Entry& key : pending.keys()) {
      if (key.key != 0 && !in_pool(database, key.key)) keys.push_back(&key);
    }
    return keys;
  };
  std::vector<const Keys::Entry*> keys = absent();
  if (keys.empty()) return;
  if (keys.size() <= pool().capacity() / kLoadedShare) {
    for (const Keys::Entry* key : keys) load_key_if_room(database, key->key);
    keys = absent();
  }
  add_to_rows(keys);
}

void settle_pending(core::PendingUsage& pending, std::uint64_t known_budgets) noexcept {
  core::Database& database = current_database();
  settlement_count().begun.fetch_add(1);
  for (const auto& [level, key_id, key] : pending.keys()) {
    for (std::size_t kind = 0; kind < std::size(key.tracked); ++kind) {
      count_tracked(database, static_cast<core::Tracked>(kind), key.tracked[kind]);
    }
    settle_key(database, key_id, key);
  }
  std::vector<core::Lease>& leases = pending.settled();
  for (const core::PendingLease& lease : pending.leases()) settle_lease(database, lease, leases);
  for (const auto& [level, key_id, key] : pending.keys()) tell_limits(database, key_id, key);
  settle_budgets(database, pending, leases, known_budgets);
  settlement_count().ended.fetch_add(1);
  note_dirty(database);
}

}  // namespace keypool::store
