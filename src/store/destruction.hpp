// Ciphertext that dies: whoever replaces or removes some says so within his transaction, and when
// that ends, the worker learns that there is something to remove from the data files.
//
// A transaction that is rolled back leaves what it had written as dead as one that commits leaves
// what it has replaced: both are reported. Nothing is remembered across a crash: a worker that
// starts looks for itself.
#pragma once

#include "core/pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only.
void install_destruction();

// This transaction has replaced or removed ciphertext; throws like current_database().
void mark_ciphertext_died();
// This transaction has written some, which dies with it if it is rolled back.
void mark_ciphertext_written();

// Something may have died by now. Any process that is connected to the database.
void report_deaths(core::Database& database) noexcept;

}  // namespace keypool::store
