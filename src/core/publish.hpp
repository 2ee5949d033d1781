// Publication: what a load found in the tables becomes what picks see. Counters, health and
// reservations of keys that were in the pool before are carried over by key id.
//
// Every function holds the pool's lock exclusively (the caller's), allocates nothing and does not
// throw. Rows are prepared before the lock is taken.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/arena.hpp"
#include "core/pool.hpp"

namespace keypool::core {

struct ProviderRow {
  ProviderConfig config;  // `names` filled, `database` set
};

// Looks at texts of the caller.
struct KeyRow {
  std::string_view provider;
  OwnerKind kind;
  std::string_view owner;
  Slot slot;  // configuration, and the live part as the tables remember it
};

class Publisher {
 public:
  Publisher(Pool& pool, Micros now) : pool_(pool), arena_(pool, now), now_(now) {}

  // Replaces the providers and the mirrored groups of a database. `keys` are sorted by provider,
  // kind, owner and id; `epoch` is not 0. False: it does not fit, and the pool is as it was.
  bool mirror(Database& database, std::span<const ProviderRow> providers, std::span<KeyRow> keys,
              std::uint64_t epoch) noexcept;

  // How many mirrored keys the database may have, once every group of users has gone.
  std::size_t room_for(std::uint32_t database) const noexcept;

  // Replaces one user's group, which may be empty. False: no room, and the user has none.
  bool user(const GroupKey& key, std::span<KeyRow> keys, std::uint64_t epoch) noexcept;

  // Forgets everything of a database.
  void drop(std::uint32_t database) noexcept;

 private:
  bool fits(std::uint32_t database, std::span<const ProviderRow> providers,
            std::span<const KeyRow> keys) const noexcept;
  template <typename Each>
  void for_each_group(std::uint32_t database, std::span<KeyRow> keys, Each each);
  void free_groups_without_epoch(std::uint32_t database) noexcept;
  void set_providers(std::uint32_t database, std::span<const ProviderRow> rows) noexcept;
  void free_provider(std::uint32_t index) noexcept;
  void rebuild_names() noexcept;
  bool fill(std::uint32_t group, std::span<KeyRow> keys) noexcept;
  void carry_over(std::uint32_t database, Slot& row) const noexcept;

  Pool& pool_;
  Arena arena_;
  Micros now_;
};

}  // namespace keypool::core
