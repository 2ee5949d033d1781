// The pool: every key that may be picked now, in one block of shared memory.
//
// A group is the keys of one owner at one provider of one database. Its slots lie side by side in
// the arena; freed runs become garbage that a compaction slides together. The keys of the system
// and of organizations are always here (mirrored groups); a user's group comes on first use and
// goes when it has long been idle.
//
// Locking is the caller's: everything that looks up or picks holds the pool's lock shared, and
// everything in publish.hpp holds it exclusively. Within the shared lock a group's live data is
// guarded by the group's own spinlock, a provider's by the provider's, in that order. Nothing here
// allocates, throws or calls Postgres.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "core/budget.hpp"
#include "core/destruction.hpp"
#include "core/lease.hpp"
#include "core/provider.hpp"
#include "core/slot.hpp"
#include "core/spinlock.hpp"
#include "core/strategy.hpp"
#include "core/tournament.hpp"
#include "core/tracking.hpp"

namespace keypool::core {

inline constexpr std::size_t kMaxOwner = 255;
inline constexpr std::size_t kMaxDatabases = 128;
inline constexpr std::size_t kMaxProviders = 1024;   // over all databases
inline constexpr std::size_t kProviderNames = 8192;  // hash of names and aliases
inline constexpr std::size_t kUserShards = 256;

// Which commits a group has to have seen. A change of the mirrored keys or of a provider moves
// `mirrored`; a change of a user's key moves the shard of that user, so that one new user key makes
// 1/256 of the cached users be looked up again and not all of them.
struct Epochs {
  std::atomic<std::uint64_t> mirrored;
  std::atomic<std::uint64_t> users[kUserShards];
  std::atomic<std::uint64_t> budgets;  // a change of budgets or of their books
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  // Moves with every commit that changed keys or providers.
  std::uint64_t of_keys() const noexcept {
    std::uint64_t sum = mirrored.load();
    for (const auto& shard : users) sum += shard.load();
    return sum;
  }
};

// Which budgets the table of budgets (budget_table.hpp) has of a database: read without a lock, so
// that whoever has none pays nothing.
struct BudgetMirror {
  std::atomic<std::uint64_t> loaded;   // the value of epochs.budgets that it reflects
  std::atomic<Micros> next_boundary;   // when a period ends, and the next one is to be read
  std::atomic<std::uint32_t> budgets;  // how many
  std::atomic<std::uint32_t> scopes;   // a bit for each scope that some budget has
  // Budgets for each subject; under the table's lock.
  std::uint32_t for_each[kBudgetScopes][kBudgetPeriods];
};

struct Database {
  std::atomic<std::uint32_t> oid;  // 0: free
  std::atomic<bool> dirty;         // something for the worker to write down
  std::atomic<bool> replaying;     // a standby's session has looked at it since the start
  Epochs epochs;
  BudgetMirror budgets;
  TrackingCounters tracking;
  Destruction destruction;
  std::uint64_t loaded;  // the value of epochs.mirrored that the mirrored groups reflect
};

struct GroupKey {
  std::uint32_t database;
  std::uint32_t provider;  // index of the provider's entry
  OwnerKind kind;
  std::string_view owner;  // empty for the system
};

// The wake_at of a group that nobody has picked from since it was published.
inline constexpr Micros kUnranked = std::numeric_limits<Micros>::min();

struct Group {
  SpinLock lock;
  std::uint32_t database;
  std::uint32_t provider;
  std::uint32_t first;      // slot
  std::uint32_t count;      // 0: it is known that this owner has no key here
  std::uint32_t next_hash;  // the chain of the group index, or of free entries
  std::uint64_t hash;
  std::uint64_t epoch;      // of its user shard, or of the mirror, when it was read
  Micros wake_at;           // when the clock moves a rank
  std::uint64_t turn;       // the turn of the last winner: who comes back starts here
  Micros sticky_since;      // when the strategy was asked last; 0: not since the sticky key went
  std::int64_t sticky_key;  // what it chose then
  std::uint32_t sticky;     // where that is
  Micros last_used_at;
  Strategy ranked_by;
  OwnerKind kind;
  bool used;
  bool recent;      // picked from since the arena last looked for somebody to drop
  bool has_models;  // some key is limited to models or regions, or blocked for a model
  std::uint8_t owner_size;
  std::array<char, kMaxOwner> owner;

  std::string_view owner_view() const noexcept { return {owner.data(), owner_size}; }
};

struct PoolSizes {
  std::uint32_t slots;
  std::uint32_t leases;
};

class Pool {
 public:
  static std::size_t bytes_for(PoolSizes sizes);
  // Makes an empty pool in zeroed memory. `now` seeds the lease numbers, so that those of before a
  // crash are not given again.
  static Pool create(void* zeroed, PoolSizes sizes, Micros now);
  static Pool attach(void* memory);

  // --- databases (lock-free)
  // Finds or claims the entry of a database; nullptr when all are taken.
  Database* database(std::uint32_t oid) noexcept;
  void forget_database(Database& database) noexcept { database.oid.store(0); }

  // --- lookups (shared lock)
  // By name or alias, without case.
  std::uint32_t find_provider(std::uint32_t database, std::string_view name) const noexcept;
  Provider& provider(std::uint32_t index) const noexcept { return providers_[index]; }
  std::uint32_t find_group(const GroupKey& key) const noexcept;
  Group& group(std::uint32_t index) const noexcept { return groups_[index]; }
  std::uint32_t find_slot(std::uint32_t database, std::int64_t key_id) const noexcept;
  Slot& slot(std::uint32_t index) const noexcept { return slots_[index]; }
  std::span<Slot> slots_of(const Group& group) const noexcept {
    return {slots_ + group.first, group.count};
  }
  Tournament tournament_of(const Group& group) const noexcept {
    return {{ranks_ + group.first, group.count}, {nodes_ + group.first, group.count}};
  }
  std::span<Rank> ranks_of(const Group& group) const noexcept {
    return {ranks_ + group.first, group.count};
  }
  LeaseTable& leases() const noexcept { return *leases_; }

  // Groups 0 … group_limit()-1 have been used at some time; look at `used`.
  std::uint32_t group_limit() const noexcept;
  std::uint32_t capacity() const noexcept;
  std::uint32_t live_slots() const noexcept;
  std::uint32_t mirrored_slots() const noexcept;  // which nothing can evict
  std::uint64_t evictions() const noexcept;

  static std::uint64_t provider_name_hash(std::string_view name) noexcept;  // 0: too long
  static std::uint64_t group_hash(const GroupKey& key) noexcept;
  static std::uint32_t shard_of(std::string_view user) noexcept {
    return static_cast<std::uint32_t>(text_hash(user) % kUserShards);
  }

 private:
  friend class Arena;
  friend class Publisher;
  struct Header;
  struct ProviderName {
    std::uint64_t hash;  // 0: empty
    std::uint32_t database;
    std::uint32_t provider;
  };
  Pool(void* memory, PoolSizes sizes);
  static std::size_t name_place(std::uint64_t hash, std::uint32_t database) noexcept;

  Header* header_;
  Provider* providers_;
  ProviderName* names_;
  Group* groups_;
  std::uint32_t* group_buckets_;
  std::uint32_t* id_buckets_;
  std::uint32_t* scratch_;  // publication's working space, one number a slot
  std::uint32_t* nodes_;
  Rank* ranks_;
  Slot* slots_;
  LeaseTable* leases_;
};

}  // namespace keypool::core
