#include "worker/lookup_plan.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace keypool::worker {

namespace {

constexpr core::Micros kLongestPause = core::kHour;

core::Micros pause_after(std::int64_t attempts, core::Micros backoff) noexcept {
  core::Micros pause = std::min(backoff, kLongestPause);
  for (std::int64_t i = 0; i < attempts && pause < kLongestPause; ++i) pause *= 2;
  // The setting itself may say longer.
  return std::max(std::min(pause, kLongestPause), backoff);
}

}  // namespace

void LookupPlan::take(const std::vector<WaitingRow>& waiting, const LookupRules& rules,
                      core::Micros now) {
  std::unordered_map<std::int64_t, Wait> waits;
  waits.reserve(waiting.size());
  for (const WaitingRow& row : waiting) {
    const auto known = waits_.find(row.id);
    const bool is_known = known != waits_.end();
    waits.emplace(row.id, is_known ? known->second : Wait{0, now + rules.backoff});
  }
  waits_ = std::move(waits);
  find_next();
}

DueLookups LookupPlan::due(const std::vector<WaitingRow>& waiting, const LookupRules& rules,
                           core::Micros now) const {
  DueLookups lookups;
  std::unordered_map<std::string_view, std::size_t> numbers;
  for (const WaitingRow& row : waiting) {
    const auto wait = waits_.find(row.id);
    if (wait == waits_.end() || wait->second.due > now) continue;
    const auto [number, is_new] = numbers.try_emplace(row.fingerprint, lookups.fingerprints.size());
    if (is_new) lookups.fingerprints.push_back(row.fingerprint);
    const std::int64_t attempt = wait->second.attempts + 1;
    lookups.rows.push_back({row.id, number->second, attempt, attempt >= rules.attempts});
  }
  return lookups;
}

void LookupPlan::attempted(const DueLookups& lookups, const LookupRules& rules,
                           core::Micros now) noexcept {
  for (const DueLookup& row : lookups.rows) {
    const auto wait = waits_.find(row.id);
    if (wait == waits_.end()) continue;
    wait->second = {row.attempt, now + pause_after(row.attempt, rules.backoff)};
  }
  find_next();
}

void LookupPlan::find_next() noexcept {
  next_ = core::kNever;
  for (const auto& [id, wait] : waits_) next_ = std::min(next_, wait.due);
}

}  // namespace keypool::worker
