// The pool in Postgres's shared memory: where it lies, its lock, and what a choice needs to know of
// this process and this moment.
//
// Backends get it by shared_preload_libraries; the worker, a library of its own, attaches to the
// same block. The lock is held shared to look and to pick, exclusively to publish (core/pool.hpp
// says what else guards what); no Postgres call may run while it is held.
#pragma once

#include "core/pool.hpp"
#include "core/random.hpp"
#include "core/selection.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only: asks for the shared memory and makes or attaches the pool when it is there.
void install_shared_pool();
// The worker's library: attaches to what the server set up.
void attach_shared_pool();

core::Pool& pool();
LWLock* pool_lock();

// This database's entry. Throws kConfigurationLimit when too many databases use the extension.
core::Database& current_database();

core::Random& random();
core::Micros now();
core::Moment moment();

}  // namespace keypool::store
