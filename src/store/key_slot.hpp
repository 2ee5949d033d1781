// One key in the pool, found and changed with everything locked that guards it, and ranked anew.
//
// Holds the pool's lock shared; `change` makes no Postgres call and does not throw.
#pragma once

#include <cstdint>
#include <mutex>

#include "core/pool.hpp"
#include "core/selection.hpp"
#include "pg/lwlock.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

namespace keypool::store {

// Calls change(slot, provider, moment). False: the key is not in the pool.
template <typename Change>
bool with_slot(std::uint32_t database, std::int64_t key_id, Change change) {
  const core::Moment at = moment();
  const pg::SharedGuard guard(pool_lock());
  core::Pool& all = pool();
  const std::uint32_t index = all.find_slot(database, key_id);
  if (index == core::kNone) return false;
  core::Slot& slot = all.slot(index);
  core::Group& group = all.group(slot.group);
  core::Provider& provider = all.provider(group.provider);
  const std::lock_guard lock(group.lock);
  change(slot, provider, at);
  slot.dirty = true;
  core::rerank(all, group, provider, index, at);
  return true;
}

// The same, and the worker is told that there is something to write down.
template <typename Change>
bool change_slot(core::Database& database, std::int64_t key_id, Change change) {
  const bool found = with_slot(database.oid.load(), key_id, change);
  if (found) note_dirty(database);
  return found;
}

// Milliseconds; negative: not known.
inline void note_latency(core::Slot& slot, core::Provider& provider, double milliseconds) {
  if (milliseconds < 0) return;
  constexpr float kWeight = 0.2f;  // how much one answer moves the mean
  const auto sample = static_cast<float>(milliseconds);
  float& mean = slot.usage.latency_ms;
  mean = mean <= 0 ? sample : mean + kWeight * (sample - mean);
  const std::lock_guard lock(provider.lock);
  provider.health.latency.add(milliseconds);
}

}  // namespace keypool::store
