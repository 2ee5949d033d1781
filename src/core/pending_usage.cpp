#include "core/pending_usage.hpp"

#include <algorithm>

namespace keypool::core {

namespace {

void merge(UsageDelta& into, const UsageDelta& more) noexcept {
  into.requests += more.requests;
  into.errors += more.errors;
  into.tokens += more.tokens;
  into.cost_nano += more.cost_nano;
  // A transaction that runs past midnight: yesterday's spending is of no more interest.
  if (more.day > into.day) {
    into.day = more.day;
    into.cost_today_nano = 0;
  }
  if (more.day == into.day) into.cost_today_nano += more.cost_today_nano;
  into.fresh_successes += more.fresh_successes;
  into.fresh_failures += more.fresh_failures;
  into.fresh_tokens += more.fresh_tokens;
}

}  // namespace

PendingKey* PendingUsage::newest(int level, std::int64_t key_id) noexcept {
  const auto found = places_.find(key_id);
  if (found == places_.end() || found->second.empty()) return nullptr;
  PendingKey& entry = keys_[found->second.back()];
  return entry.level == level ? &entry : nullptr;
}

void PendingUsage::forget_newest(std::int64_t key_id) noexcept {
  places_.find(key_id)->second.pop_back();
}

PendingKey& PendingUsage::add(int level, std::int64_t key_id, const UsageDelta& delta) {
  PendingKey* entry = newest(level, key_id);
  if (entry == nullptr) {
    std::vector<std::uint32_t>& places = places_[key_id];
    places.reserve(places.size() + 1);
    keys_.push_back({.level = level, .key_id = key_id});
    places.push_back(static_cast<std::uint32_t>(keys_.size() - 1));
    entry = &keys_.back();
  }
  merge(entry->total, delta);
  return *entry;
}

void PendingUsage::release(int level) noexcept {
  // What the subtransaction has is at the end. Entries whose key the level above has used too are
  // merged into those; the rest stay and move up.
  std::size_t first = keys_.size();
  while (first > 0 && keys_[first - 1].level >= level) --first;
  for (std::size_t i = first; i < keys_.size(); ++i) forget_newest(keys_[i].key_id);
  std::size_t kept = first;
  for (std::size_t i = first; i < keys_.size(); ++i) {
    PendingKey& entry = keys_[i];
    if (PendingKey* above = newest(level - 1, entry.key_id)) {
      merge(above->total, entry.total);
      for (std::size_t kind = 0; kind < std::size(entry.tracked); ++kind) {
        above->tracked[kind] += entry.tracked[kind];
      }
      if (entry.has_outcome) above->last = entry.last;
      above->has_outcome |= entry.has_outcome;
      continue;
    }
    entry.level = level - 1;
    keys_[kept] = entry;
    // It had room for this place before.
    places_.find(entry.key_id)->second.push_back(static_cast<std::uint32_t>(kept));
    ++kept;
  }
  keys_.resize(kept);
  for (auto lease = leases_.rbegin(); lease != leases_.rend() && lease->level >= level; ++lease) {
    lease->level = level - 1;
  }
}

void PendingUsage::roll_back(int level) noexcept {
  while (!keys_.empty() && keys_.back().level >= level) {
    forget_newest(keys_.back().key_id);
    keys_.pop_back();
  }
  while (!leases_.empty() && leases_.back().level >= level) leases_.pop_back();
}

}  // namespace keypool::core
