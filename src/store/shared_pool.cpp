#include "store/shared_pool.hpp"

#include <cstring>
#include <string>

#include "core/error.hpp"
#include "pg/settings.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/ipc.h"
#include "storage/shmem.h"
}

namespace keypool::store {

namespace {

constexpr const char* kName = "pg_keypool";

// Made once a process tree and inherited by fork: pointers into the block, nothing else.
core::Pool* the_pool = nullptr;
LWLock* the_lock = nullptr;
core::Database* this_database = nullptr;
shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

core::PoolSizes sizes() {
  return {static_cast<std::uint32_t>(pg::settings().max_keys),
          static_cast<std::uint32_t>(pg::settings().max_leases)};
}

void request_memory() {
  if (previous_request_hook != nullptr) previous_request_hook();
  RequestAddinShmemSpace(core::Pool::bytes_for(sizes()));
  RequestNamedLWLockTranche(kName, 1);
}

void make_or_attach() {
  bool found = false;
  const std::size_t bytes = core::Pool::bytes_for(sizes());
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  void* memory = ShmemInitStruct(kName, bytes, &found);
  if (!found) {
    std::memset(memory, 0, bytes);
    core::Pool::create(memory, sizes(), GetCurrentTimestamp());
  }
  LWLockRelease(AddinShmemInitLock);
  the_pool = new core::Pool(core::Pool::attach(memory));
  the_lock = &GetNamedLWLockTranche(kName)->lock;
}

void start_up() {
  if (previous_startup_hook != nullptr) previous_startup_hook();
  make_or_attach();
}

}  // namespace

void install_shared_pool() {
  previous_request_hook = shmem_request_hook;
  shmem_request_hook = request_memory;
  previous_startup_hook = shmem_startup_hook;
  shmem_startup_hook = start_up;
}

void attach_shared_pool() { make_or_attach(); }

core::Pool& pool() { return *the_pool; }

LWLock* pool_lock() { return the_lock; }

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
