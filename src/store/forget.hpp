// Empties the pool of one database: its tables are gone, by DROP DATABASE or DROP EXTENSION. For
// commit callbacks: after the commit nobody can read those tables again, and whoever read them just
// before finds his epochs outdated. Takes the pool's lock exclusively.
#pragma once

#include "pg/postgres.hpp"

namespace keypool::store {

void forget_keys(Oid database) noexcept;
// The same, and gives the database's entry back to the pool.
void forget_database(Oid database) noexcept;

}  // namespace keypool::store
