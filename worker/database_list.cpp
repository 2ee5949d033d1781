#include "worker/database_list.hpp"

#include "core/error.hpp"
#include "pg/guard.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
}

namespace keypool::worker {

namespace {

// What an interrupted DROP DATABASE leaves behind is marked by this limit of connections.
constexpr int kInvalidDatabase = -2;

struct Found {
  Oid oid;
  NameData name;
};
struct FoundList {
  Found* items;
  std::size_t size;
};

// Without a database there are no system caches to ask and no SQL: the catalog is read as a heap.
FoundList scan() {
  FoundList found = {static_cast<Found*>(palloc(sizeof(Found))), 0};
  std::size_t room = 1;
  Relation relation = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
  while (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection)) {
    const auto* row = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    if (!row->datallowconn || row->datconnlimit == kInvalidDatabase) continue;
    if (found.size == room) {
      room *= 2;
      found.items = static_cast<Found*>(repalloc(found.items, room * sizeof(Found)));
    }
    found.items[found.size++] = {row->oid, row->datname};
  }
  table_endscan(scan);
  table_close(relation, AccessShareLock);
  return found;
}

}  // namespace

std::vector<ListedDatabase> list_databases() {
  std::vector<ListedDatabase> databases;
  const auto problem = pg::run_transaction([&] {
    const FoundList found = pg::call([] { return scan(); });
    for (std::size_t i = 0; i < found.size; ++i) {
      databases.push_back({found.items[i].oid, NameStr(found.items[i].name)});
    }
  });
  if (problem.has_value()) {
    throw core::Error(core::ErrorCode::kInternal, problem->message, problem->detail);
  }
  return databases;
}

}  // namespace keypool::worker
