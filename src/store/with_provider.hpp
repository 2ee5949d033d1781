// A look at one provider's keys with everything loaded that a request may look at there.
//
// Needs a transaction; throws what loading throws. The body runs with the pool's lock held shared.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/pool.hpp"
#include "pg/guard.hpp"
#include "pg/lwlock.hpp"
#include "store/loader.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Runs body(provider index) with the pool's lock shared and everything loaded that the request may
// look at there; core::kNone when the provider is not known.
template <typename Body>
void with_provider(core::Database& database, std::string_view name, std::string_view user,
                   Body body) {
  const std::uint32_t oid = database.oid.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t epoch = database.epochs.mirrored.load();
    const std::uint64_t user_epoch =
        user.empty() ? 0 : database.epochs.users[core::Pool::shard_of(user)].load();
    std::uint32_t provider = core::kNone;
    bool mirrored = false;
    {
      const pg::SharedGuard guard(pool_lock());
      core::Pool& all = pool();
      mirrored = database.loaded >= epoch;
      if (mirrored) {
        provider = all.find_provider(oid, name);
        bool present = user.empty() || provider == core::kNone;
        if (!present) {
          const std::uint32_t group = all.find_group({oid, provider, core::OwnerKind::kUser, user});
          present = group != core::kNone && all.group(group).epoch >= user_epoch;
        }
        if (present) {
          body(provider);
          return;
        }
      }
    }
    pg::check_interrupts();
    if (mirrored) {
      load_user(database, provider, user);
    } else {
      ensure_mirrored(database);
    }
  }
}

}  // namespace keypool::store
