#include "store/shared_pool.hpp"

#include <string>

#include "core/error.hpp"
#include "pg/settings.hpp"
#include "store/shared_block.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

core::Database* this_database = nullptr;
core::Pool* the_pool = nullptr;  // pointers into the block, nothing else

core::PoolSizes sizes() {
  return {static_cast<std::uint32_t>(pg::settings().max_keys),
          static_cast<std::uint32_t>(pg::settings().max_leases)};
}

constinit SharedBlock block = {
    .name = "pg_keypool",
    .bytes = [] { return core::Pool::bytes_for(sizes()); },
    .create = [](void* zeroed) { core::Pool::create(zeroed, sizes(), GetCurrentTimestamp()); },
    .attached = [](void* memory) { the_pool = new core::Pool(core::Pool::attach(memory)); }};

}  // namespace

void install_shared_pool() { install_block(block); }

void attach_shared_pool() { attach_block(block); }

core::Pool& pool() { return *the_pool; }

LWLock* pool_lock() { return block.lock; }

core::Database& current_database() {
  // Its entry is freed when a database is dropped, which no session of that database outlives.
  if (this_database == nullptr) this_database = pool().database(MyDatabaseId);
  if (this_database == nullptr) {
    throw core::Error(core::ErrorCode::kConfigurationLimit,
                      "too many databases use pg_keypool in this server",
                      "At most " + std::to_string(core::kMaxDatabases) + " can.",
                      "Drop the extension where it is not needed and restart the server.");
  }
  return *this_database;
}

core::Random& random() {
  static constinit core::Random source(0);
  static constinit int seeded_by = 0;
  if (seeded_by != MyProcPid) {
    seeded_by = MyProcPid;
    source = core::Random(static_cast<std::uint64_t>(GetCurrentTimestamp()) ^
                          (static_cast<std::uint64_t>(MyProcPid) << 40));
  }
  return source;
}

core::Micros now() { return GetCurrentTimestamp(); }

core::Moment moment() {
  return {now(), static_cast<core::Strategy>(pg::settings().default_strategy), random()};
}

}  // namespace keypool::store
