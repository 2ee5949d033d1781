#include "store/find_key.hpp"

#include <tuple>

#include "pg/datum.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/tuple.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

struct Found {
  bool exists;
  bool is_system;
  std::int64_t id;
};

// By the index itself: planning a query takes longer than all the rest of logging a request.
Found look_up(const Catalog& catalog, Datum fingerprint) {
  namespace column = api_key_column;
  Found best = {};
  ScanKeyData key;
  ScanKeyInit(&key, column::kFingerprint, BTEqualStrategyNumber, F_BYTEAEQ, fingerprint);
  Relation relation = table_open(catalog.api_keys, AccessShareLock);
  SysScanDesc scan =
      systable_beginscan(relation, catalog.api_keys_secret, true, GetActiveSnapshot(), 1, &key);
  for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) {
    const Tuple tuple(row, RelationGetDescr(relation));
    const Found found = {true, tuple.text(column::kKeySource) == "system", tuple.int8(column::kId)};
    const bool better = !best.exists || std::tuple(!found.is_system, found.id) <
                                            std::tuple(!best.is_system, best.id);
    if (better) best = found;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return best;
}

}  // namespace

std::optional<std::int64_t> find_key(const core::Digest& fingerprint) {
  const Catalog& relations = catalog();
  const Found found = pg::call(
      [&] { return look_up(relations, pg::SqlType<pg::Bytes>::to(pg::Bytes{fingerprint})); });
  return found.exists ? std::optional(found.id) : std::nullopt;
}

}  // namespace keypool::store
