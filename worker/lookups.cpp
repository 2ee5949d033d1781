#include "worker/lookups.hpp"

#include <algorithm>
#include <vector>

#include "core/tracking.hpp"
#include "pg/settings.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"
#include "worker/lookup_table.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

LookupRules present_rules() noexcept {
  const pg::Settings& settings = pg::settings();
  return {settings.lookup_attempts, settings.lookup_backoff * core::kMillisecond};
}

}  // namespace

std::uint64_t Lookups::awaiting() const noexcept { return database_.tracking.awaiting.load(); }

core::Micros Lookups::next_due(core::Micros now) const noexcept {
  const LookupRules rules = present_rules();
  if (rules.attempts == 0) return core::kNever;
  const bool news = more_ || rules != rules_ || awaiting() != seen_;
  const core::Micros due = news ? now : plan_.next();
  return due == core::kNever ? due : std::max(due, not_before_);
}

void Lookups::run(core::Micros now) {
  const core::Micros began = store::now();
  rules_ = present_rules();
  seen_ = awaiting();
  more_ = false;
  if (look(rules_, now)) {
    retry_pause_ = kShortestPause;
    not_before_ = now + std::max(kShortestPause, kPauseShare * (store::now() - began));
  } else {
    more_ = true;
    retry_pause_ = std::min(retry_pause_ * 2, kLongestPause);
    not_before_ = now + retry_pause_;
  }
}

bool Lookups::look(const LookupRules& rules, core::Micros now) {
  std::vector<WaitingRow> waiting;
  if (!attempt([&] { waiting = read_waiting_rows(kRowsAtOnce); })) return false;
  plan_.take(waiting, rules, now);
  const DueLookups lookups = plan_.due(waiting, rules, now);
  if (lookups.rows.empty()) return true;
  if (!settle(lookups)) return false;
  plan_.attempted(lookups, rules, now);
  more_ = waiting.size() == kRowsAtOnce;
  return true;
}

bool Lookups::settle(const DueLookups& lookups) {
  core::TrackingCounters& counters = database_.tracking;
  std::vector<FoundKey> keys;
  SettledRows settled;
  const bool done = attempt([&] {
    keys = find_keys(lookups.fingerprints);
    settled = settle_rows(lookups, keys);
  });
  if (!done) {
    for (std::size_t i = 0; i < lookups.fingerprints.size(); ++i) {
      counters.count(core::Lookup::kError);
    }
    return false;
  }
  for (const FoundKey& key : keys) {
    counters.count(key.id != 0 ? core::Lookup::kFound : core::Lookup::kNotFound);
  }
  counters.count(core::Tracked::kWithKey, settled.found);
  counters.count(core::Tracked::kLookupFailed, settled.failed);
  return true;
}

}  // namespace keypool::worker
