// The parts of the pool's block that only the pool, its arena and its publisher see.
#pragma once

#include <cstdint>

#include "core/pool.hpp"

namespace keypool::core {

// Runs up to this many slots are used again as they are; longer ones wait for a compaction.
inline constexpr std::uint32_t kLongestFreeRun = 8;

struct Pool::Header {
  PoolSizes sizes;
  std::uint32_t next_slot;                   // the arena is used up to here
  std::uint32_t live_slots;                  // of those, slots that belong to a group
  std::uint32_t mirrored_slots;              // of those, keys of the system and of organizations
  std::uint32_t group_limit;                 // entries 0 … group_limit-1 have been used
  std::uint32_t free_group;                  // the chain of returned entries
  std::uint32_t hand;                        // the group the clock's hand stands at
  std::uint32_t free_runs[kLongestFreeRun];  // chains by length, linked by Slot::next_id
  std::uint64_t evictions;                   // users' groups dropped to make room
  Database databases[kMaxDatabases];
};

// Owners without a key take an entry and no slot, so there are somewhat more entries than slots.
constexpr std::uint32_t group_capacity(std::uint32_t slots) { return slots + slots / 4 + 64; }

constexpr std::uint32_t bucket_count(std::uint32_t entries) { return entries + entries / 2 + 1; }

constexpr std::uint64_t id_hash(std::int64_t key_id) {
  return static_cast<std::uint64_t>(key_id) * 0x9e3779b97f4a7c15 >> 20;
}

}  // namespace keypool::core
