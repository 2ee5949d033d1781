// What the judgement of alerts needs of the pool, copied out under its locks.
//
// Of the mirrored keys all are copied; of users' keys only those that are in trouble, near a limit
// or watched. Holds the pool's lock shared and each group's for a few keys at a time; calls nothing
// of Postgres while it does.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/pool.hpp"

namespace keypool::worker {

struct PoolView {
  core::PoolFacts facts;
  std::unordered_set<std::int64_t> watched_seen;  // those of the watched keys that are in the pool
  // One key of each user's group that is copied here and older than the tables.
  std::vector<std::int64_t> outdated;
};

// When keys were made; 0 in the facts for those that are not listed.
using KeyAges = std::unordered_map<std::int64_t, core::Micros>;

// `limit_share` is that of a limit which raises an alert.
PoolView view_pool(core::Database& database, const std::unordered_set<std::int64_t>& watched,
                   const KeyAges& created, double limit_share, core::Micros now);

// The index of that provider in the facts, or core::kNoIndex.
std::size_t provider_index(const core::PoolFacts& facts, std::string_view name);

}  // namespace keypool::worker
