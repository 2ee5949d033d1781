#include "store/unfolded.hpp"

#include <algorithm>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "pg/guard.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/table.h"
#include "access/transam.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

constexpr AttrNumber kFoldedBelow = 2;  // of keypool.rollup_state

// Up to where the rollups reach in the active snapshot.
Xid folded_below() {
  const Oid table = catalog().rollup_state;
  const Xid found = pg::call([=] {
    Xid below = kNoXid;
    Relation relation = table_open(table, AccessShareLock);
    SysScanDesc scan =
        systable_beginscan(relation, InvalidOid, false, GetActiveSnapshot(), 0, nullptr);
    if (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple)) {
      bool is_null = false;
      below =
          DatumGetUInt64(heap_getattr(tuple, kFoldedBelow, RelationGetDescr(relation), &is_null));
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return below;
  });
  if (found != kNoXid) return found;
  throw core::Error(core::ErrorCode::kNotReady, "keypool.rollup_state has lost its row", {},
                    "Run SELECT keypool.rebuild_rollups().");
}

// pg_snapshot_xmin(pg_current_snapshot()): every transaction below has ended, and the snapshot
// sees what it did.
Xid settled_below() {
  return pg::call([] {
    const FullTransactionId next = ReadNextFullTransactionId();
    const TransactionId oldest = GetActiveSnapshot()->xmin;
    const std::uint32_t epoch = EpochFromFullTransactionId(next);
    // The snapshot's number lies below the next one, maybe on the other side of a wraparound.
    const bool wrapped = oldest > XidFromFullTransactionId(next);
    return (Xid{epoch} - (wrapped ? 1 : 0)) << 32 | oldest;
  });
}

// 1: to be added to the rollups; -1: to be taken from them.
int share_of(const RequestVersion& change, Xid folded, Xid below) {
  if (change.row_xid < folded) return change.xid < below ? -1 : 0;
  return change.row_xid < below && change.xid >= below ? 1 : 0;
}

// The lowest that the snapshot sees; kNoXid: none.
Xid lowest(const RequestTable& table, Xid from) {
  RequestScan scan(table, from, kNoXid);
  Xid least = kNoXid;
  for (Xid xid = 0; scan.next(xid);) {
    least = std::min(least, xid);
    if (!scan.is_ordered()) continue;
    scan.close();
    break;
  }
  return least;
}

// Walks the indexes side by side until `most` rows lie behind; the number after the last of them.
Xid after_rows(const std::vector<RequestTable>& tables, Xid from, Xid below, std::int64_t most) {
  using Head = std::pair<Xid, std::size_t>;
  std::vector<std::unique_ptr<RequestScan>> scans;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  for (const RequestTable& table : tables) {
    auto scan = std::make_unique<RequestScan>(table, from, below);
    Xid first = 0;
    if (scan->is_ordered() && scan->next_entry(first)) {
      heads.emplace(first, scans.size());
      scans.push_back(std::move(scan));
    } else {
      scan->close();
    }
  }
  Xid last = below;
  for (std::int64_t rows = 0; !heads.empty() && rows < most;) {
    const auto [head, number] = heads.top();
    heads.pop();
    last = head;
    const Xid others = heads.empty() ? kNoXid : heads.top().first;
    Xid xid = head;
    bool more = true;
    for (; more && xid <= others && rows < most; more = scans[number]->next_entry(xid)) {
      last = xid;
      ++rows;
    }
    if (more) heads.emplace(xid, number);
  }
  const bool is_end = heads.empty();
  for (const auto& scan : scans) scan->close();
  return is_end ? below : last + 1;
}

}  // namespace

void visit_unfolded(Xid below, const std::function<void(const RequestVersion&, int)>& visit) {
  const Xid folded = folded_below();
  RequestVersion version;
  for (const RequestTable& table : request_tables()) {
    const bool is_log = table.rows == RequestRows::kLog;
    RequestScan scan(table, folded, is_log ? below : kNoXid);
    while (scan.next(version)) {
      const int share = is_log ? 1 : share_of(version, folded, below);
      if (share != 0) visit(version, share);
    }
  }
}

FoldPlan plan_fold(std::optional<std::int64_t> most) {
  const Xid folded = folded_below();
  const Xid settled = settled_below();
  const std::vector<RequestTable> tables = request_tables();
  Xid first = kNoXid;
  for (const RequestTable& table : tables) first = std::min(first, lowest(table, folded));
  if (first >= settled) return {.has_tail = first != kNoXid, .below = std::nullopt, .is_all = true};
  const Xid below = most.has_value() ? after_rows(tables, folded, settled, *most) : settled;
  return {.has_tail = true, .below = below, .is_all = below == settled};
}

}  // namespace keypool::store
