// The databases of the server that a worker could connect to, as pg_database has them now.
//
// For the launcher, which is connected to none of them. Runs a transaction of its own; throws when
// that fails.
#pragma once

#include <string>
#include <vector>

#include "pg/postgres.hpp"

namespace keypool::worker {

struct ListedDatabase {
  Oid oid;
  std::string name;
};

std::vector<ListedDatabase> list_databases();

}  // namespace keypool::worker
