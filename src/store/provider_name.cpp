#include "store/provider_name.hpp"

#include "pg/guard.hpp"
#include "pg/lwlock.hpp"
#include "store/loader.hpp"
#include "store/no_key.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

ProviderName provider_name(core::Database& database, std::string_view asked) {
  const std::uint32_t oid = database.oid.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t epoch = database.epochs.mirrored.load();
    bool mirrored = false;
    {
      const pg::SharedGuard guard(pool_lock());
      mirrored = database.loaded >= epoch;
      if (mirrored) {
        const std::uint32_t index = pool().find_provider(oid, asked);
        if (index != core::kNone) return ProviderName(pool().provider(index).config);
      }
    }
    if (mirrored) throw unknown_provider(database, asked);
    pg::check_interrupts();
    ensure_mirrored(database);
  }
}

}  // namespace keypool::store
