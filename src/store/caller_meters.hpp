// The meters of callers in Postgres's shared memory: a block and an LWLock of their own.
//
// The lock is held shared to count a pick, exclusively to give a caller a meter
// (core/caller_meters.hpp); no Postgres call may run while it is held. They start empty with the
// server: what was picked before a restart is forgotten.
#pragma once

#include "core/caller_meters.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only: asks for the shared memory and makes the meters when it is there.
void install_caller_meters();

core::CallerMeters& caller_meters();
LWLock* caller_meters_lock();

}  // namespace keypool::store
