#include "worker/audit_keeper.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/audit_entry.hpp"
#include "core/audit_slot.hpp"
#include "pg/owner.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/audit.hpp"
#include "store/audit_board.hpp"
#include "store/audit_caller.hpp"
#include "store/audit_chain.hpp"
#include "store/catalog.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace keypool::worker {

namespace {

using core::AuditRecord;

// A session may be held up between its look at the clock and the counting.
constexpr core::Micros kLate = 100 * core::kMillisecond;

// When what is counted now can be taken.
core::Micros when_complete(core::Micros at) {
  return (at / core::kSecond + 1) * core::kSecond + kLate;
}

// What several sessions did alike within a second.
struct Sum {
  core::Micros first = core::kNever;
  core::Micros last = 0;
  std::int64_t times = 0;
  std::map<std::int64_t, std::int64_t> keys;

  void add(const AuditRecord& record) {
    first = std::min(first, record.first);
    last = std::max(last, record.last);
    times += static_cast<std::int64_t>(record.times);
    for (std::size_t i = 0; i < AuditRecord::kKeys && record.key_ids[i] != 0; ++i) {
      keys[record.key_ids[i]] += record.key_times[i];
    }
  }
};

// In the order of time. A single deed is a sum of its own: the number keeps them apart.
using SumKey = std::tuple<core::Micros, std::string, std::string, std::int32_t, std::uint32_t,
                          std::uint32_t, std::string, std::string, std::size_t>;

SumKey key_of(const AuditRecord& record, std::size_t number) {
  const core::Micros from =
      record.single ? record.first : record.first / core::kSecond * core::kSecond;
  return {from,
          std::string(record.deed.action.view()),
          std::string(record.deed.provider.view()),
          record.deed.sqlstate,
          record.caller.session_role,
          record.caller.acting_role,
          std::string(record.caller.address.view()),
          std::string(record.caller.application.view()),
          record.single ? number : 0};
}

std::string instant_text(core::Micros at) {
  const char* text = pg::call([at] { return timestamptz_to_str(at); });
  return text;
}

// Nothing in it needs escaping.
std::string details_of(const Sum& sum, std::int32_t sqlstate) {
  std::string keys;
  std::int64_t told = 0;
  for (const auto& [id, times] : sum.keys) {
    keys += (keys.empty() ? "\"" : ", \"") + std::to_string(id) + "\": " + std::to_string(times);
    told += times;
  }
  std::vector<std::string> members;
  if (sqlstate != 0) {
    members.push_back("\"sqlstate\": \"" + std::string(unpack_sql_state(sqlstate)) + '"');
  }
  if (!keys.empty()) members.push_back("\"keys\": {" + keys + "}");
  if (!keys.empty() && told < sum.times) {
    members.push_back("\"further_keys\": " + std::to_string(sum.times - told));
  }
  if (sum.last / core::kSecond > sum.first / core::kSecond) {
    members.push_back("\"until\": \"" + instant_text(sum.last) + '"');
  }
  std::string text;
  for (const std::string& member : members) text += (text.empty() ? "{" : ", ") + member;
  return text.empty() ? text : text + "}";
}

core::AuditEntry entry_of(const SumKey& key, const Sum& sum) {
  const std::int32_t sqlstate = std::get<3>(key);
  core::AuditEntry entry;
  entry.at = sum.first;
  entry.action = std::get<1>(key);
  entry.provider = std::get<2>(key);
  entry.outcome = store::outcome_of(sqlstate);
  entry.session_role = store::role_name(std::get<4>(key));
  entry.acting_role = store::role_name(std::get<5>(key));
  entry.client_address = std::get<6>(key);
  entry.application = std::get<7>(key);
  entry.times = sum.times;
  const bool of_one_key = sum.keys.size() == 1 && sum.keys.begin()->second == sum.times;
  if (of_one_key) entry.key_id = sum.keys.begin()->first;
  entry.details = details_of(sum, sqlstate);
  return entry;
}

// jsonb has an order of members of its own, which the chain is made over.
std::string as_jsonb(pg::Session& session, const std::string& json) {
  if (json.empty()) return json;
  return session.run("SELECT ($1::text)::jsonb::text", json).get<std::string>(0, 0);
}

void add_lost(std::vector<core::AuditEntry>& entries, const core::AuditSlot::Lost& lost,
              core::Micros now) {
  const auto add = [&](std::string_view action, const char* outcome, std::uint64_t times) {
    if (times == 0) return;
    core::AuditEntry entry;
    entry.at = now;
    entry.action = action;
    entry.outcome = outcome;
    entry.times = static_cast<std::int64_t>(times);
    entry.details = R"({"unattributed": true})";
    entries.push_back(std::move(entry));
  };
  add(core::kPickAction, "ok", lost.picks);
  add("attempt", "failed", lost.others);
}

void settle(bool written) noexcept {
  for (store::BoardSlot& slot : store::audit_board()) {
    slot.slot.settle(MyDatabaseId, written);
    if (Latch* waiter = slot.waiter.load()) SetLatch(waiter);
  }
}

}  // namespace

// What the last worker took and never wrote.
AuditKeeper::AuditKeeper() { settle(false); }

void AuditKeeper::note_news(core::Micros now) noexcept {
  due_ = std::min(due_, when_complete(now));
}

core::Micros AuditKeeper::next_due(core::Micros now) const noexcept {
  if (store::audit_board().urgent.load() != seen_urgent_) return now;
  const bool prunes = pg::settings().audit_retention != 0;
  return prunes ? std::min(due_, prune_due_) : due_;
}

void AuditKeeper::run(core::Micros now) {
  seen_urgent_ = store::audit_board().urgent.load();
  collect(now, false);
  if (pg::settings().audit_retention != 0 && prune_due_ <= now) prune(now);
}

void AuditKeeper::finish() { collect(store::now(), true); }

void AuditKeeper::collect(core::Micros now, bool all) {
  std::map<SumKey, Sum> sums;
  std::vector<core::AuditEntry> entries;
  bool left = false;
  std::size_t number = 0;
  for (store::BoardSlot& slot : store::audit_board()) {
    std::array<AuditRecord, core::AuditSlot::kRecords> records;
    const std::size_t taken = slot.slot.take(MyDatabaseId, now - kLate, all, records.data(), left);
    for (std::size_t i = 0; i < taken; ++i) sums[key_of(records[i], ++number)].add(records[i]);
    add_lost(entries, slot.slot.take_lost(MyDatabaseId), now);
  }
  due_ = left ? when_complete(now - kLate) : core::kNever;
  if (sums.empty() && entries.empty()) return;
  const auto problem = pg::run_transaction([&] {
    for (const auto& [key, sum] : sums) entries.push_back(entry_of(key, sum));
    {
      const pg::ActAs owner(store::catalog().owner);
      pg::Session session;
      for (core::AuditEntry& entry : entries) entry.details = as_jsonb(session, entry.details);
    }
    store::append_to_chain(entries);
  });
  settle(!problem.has_value());
  if (!problem.has_value()) return;
  store::note_worker_error(problem->message);
  due_ = now + kPause;
}

void AuditKeeper::prune(core::Micros now) {
  prune_due_ = now + kBetweenPrunes;
  const auto problem = pg::run_transaction([] {
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    session.run("SELECT keypool.prune_audit_log()");
  });
  if (problem.has_value()) store::note_worker_error(problem->message);
}

}  // namespace keypool::worker
