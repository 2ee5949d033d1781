#include "store/caller_meters.hpp"

#include "pg/settings.hpp"
#include "store/shared_block.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

core::CallerMeters* the_meters = nullptr;  // pointers into the block, nothing else

// A caller with a limit is to this block what a user with a budget is to that of the budgets.
std::uint32_t capacity() { return static_cast<std::uint32_t>(pg::settings().max_budget_accounts); }

constinit SharedBlock block = {
    .name = "pg_keypool callers",
    .bytes = [] { return core::CallerMeters::bytes_for(capacity()); },
    .create = [](void* zeroed) { core::CallerMeters::create(zeroed, capacity()); },
    .attached =
        [](void* memory) {
          the_meters = new core::CallerMeters(core::CallerMeters::attach(memory));
        }};

}  // namespace

void install_caller_meters() { install_block(block); }

core::CallerMeters& caller_meters() { return *the_meters; }

LWLock* caller_meters_lock() { return block.lock; }

}  // namespace keypool::store
