// Rows of our tables as what the pool publishes. Postgres calls: only inside pg::call.
#pragma once

#include "core/publish.hpp"
#include "store/tuple.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

core::ProviderRow provider_row(const Tuple& tuple);
// Without a state: as new.
core::KeyRow key_row(const Tuple& tuple);
// What keypool.key_state remembers of the key.
void restore_state(const Tuple& tuple, core::Slot& slot);

}  // namespace keypool::store
