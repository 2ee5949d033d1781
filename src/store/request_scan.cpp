#include "store/request_scan.hpp"

#include <algorithm>
#include <string_view>

#include "core/error.hpp"
#include "pg/datum.hpp"
#include "pg/guard.hpp"
#include "pg/money.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/request_usage.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/relscan.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "partitioning/partdesc.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}

namespace keypool::store {

namespace {

namespace request = request_column;
namespace change = request_change_column;

enum Figure {
  kXid,
  kRowXid,
  kCreatedAt,
  kProvider,
  kModel,
  kUserId,
  kOrganizationId,
  kApiKeyId,
  kKeySource,
  kIsAnonymous,
  kInputTokens,
  kOutputTokens,
  kCachedTokens,
  kCostUsd,
  kProcessingTimeMs,
  kFailed,
  kStatus,
  kHttpStatus,
  kErrorType,
};

struct FigureColumn {
  const char* name;
  AttrNumber of_log;  // where it is in a table of our making; 0: nowhere
  AttrNumber of_changes;
};

constexpr FigureColumn kColumns[] = {
    {"xid", request::kXid, change::kXid},
    {"row_xid", 0, change::kRowXid},
    {"created_at", request::kCreatedAt, change::kCreatedAt},
    {"provider", request::kProvider, change::kProvider},
    {"model", request::kModel, change::kModel},
    {"user_id", request::kUserId, change::kUserId},
    {"organization_id", request::kOrganizationId, change::kOrganizationId},
    {"api_key_id", request::kApiKeyId, change::kApiKeyId},
    {"key_source", request::kKeySource, change::kKeySource},
    {"is_anonymous", request::kIsAnonymous, change::kIsAnonymous},
    {"input_tokens", request::kInputTokens, change::kInputTokens},
    {"output_tokens", request::kOutputTokens, change::kOutputTokens},
    {"cached_tokens", request::kCachedTokens, change::kCachedTokens},
    {"cost_usd", request::kCostUsd, change::kCostUsd},
    {"processing_time_ms", request::kProcessingTimeMs, change::kProcessingTimeMs},
    {"failed", 0, change::kFailed},
    {"status", request::kStatus, 0},
    {"http_status", request::kHttpStatus, 0},
    {"error_type", request::kErrorType, 0},
};

AttrNumber usual_column(int figure, RequestRows rows) {
  return rows == RequestRows::kLog ? kColumns[figure].of_log : kColumns[figure].of_changes;
}

// 0: not in such a table. A partition attached by hand may have its columns in another order.
AttrNumber find_column(Relation table, int figure, RequestRows rows) {
  const AttrNumber usual = usual_column(figure, rows);
  if (usual == 0) return 0;
  const TupleDesc description = RelationGetDescr(table);
  const std::string_view name = kColumns[figure].name;
  if (usual <= description->natts &&
      name == NameStr(TupleDescAttr(description, usual - 1)->attname)) {
    return usual;
  }
  const AttrNumber found = get_attnum(RelationGetRelid(table), kColumns[figure].name);
  if (found == InvalidAttrNumber) {
    elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(table),
         kColumns[figure].name);
  }
  return found;
}

bool is_btree(Oid index) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  const Oid method = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam;
  ReleaseSysCache(tuple);
  return method == BTREE_AM_OID;
}

bool leads_with(Oid index, AttrNumber column) {
  HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  const auto* form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
  // As the planner has it: such an index lacks row versions that older snapshots see.
  const bool too_new =
      form->indcheckxmin &&
      !TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data), TransactionXmin);
  const bool suits = form->indisvalid && form->indkey.values[0] == column && !too_new &&
                     heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
  ReleaseSysCache(tuple);
  return suits && is_btree(index);
}

// InvalidOid: there is none.
Oid find_index(Relation table, AttrNumber column) {
  Oid found = InvalidOid;
  List* indexes = RelationGetIndexList(table);
  ListCell* cell = nullptr;
  foreach (cell, indexes) {
    if (!leads_with(lfirst_oid(cell), column)) continue;
    found = lfirst_oid(cell);
    break;
  }
  list_free(indexes);
  return found;
}

struct Leaves {
  Oid* oids;
  std::size_t count;
  std::size_t capacity;

  void add(Oid oid) {
    if (count == capacity) {
      capacity = std::max<std::size_t>(64, capacity * 2);
      const std::size_t bytes = capacity * sizeof(Oid);
      oids = static_cast<Oid*>(oids == nullptr ? palloc(bytes) : repalloc(oids, bytes));
    }
    oids[count++] = oid;
  }
};

void add_leaves(Oid table, Leaves& leaves) {
  check_stack_depth();
  Relation relation = try_table_open(table, AccessShareLock);
  if (relation == nullptr) return;
  const PartitionDesc partitions = RelationGetPartitionDesc(relation, true);
  for (int i = 0; i < partitions->nparts; ++i) {
    if (!partitions->is_leaf[i]) {
      add_leaves(partitions->oids[i], leaves);
    } else if (get_rel_relkind(partitions->oids[i]) == RELKIND_RELATION) {
      leaves.add(partitions->oids[i]);
    }
  }
  table_close(relation, AccessShareLock);
}

}  // namespace

std::vector<RequestTable> request_tables() {
  const Catalog& relations = catalog();
  const Leaves leaves = pg::call([&] {
    // Who holds the log's lock already may know it as it was before the snapshot: a partition that
    // came since, with rows the snapshot sees, would be passed over, and by a fold for ever.
    AcceptInvalidationMessages();
    Leaves found = {};
    add_leaves(relations.requests, found);
    return found;
  });
  std::vector<RequestTable> tables;
  tables.reserve(leaves.count + 1);
  for (std::size_t i = 0; i < leaves.count; ++i) {
    tables.push_back({leaves.oids[i], RequestRows::kLog});
  }
  tables.push_back({relations.request_changes, RequestRows::kChanges});
  return tables;
}

RequestScan::RequestScan(const RequestTable& table, Xid from, Xid below) : rows_(table.rows) {
  static_assert(std::size(kColumns) == kFigures);
  pg::call([&] { open(table, from, below); });
}

void RequestScan::open(const RequestTable& table, Xid from, Xid below) {
  relation_ = try_table_open(table.oid, AccessShareLock);
  if (relation_ == nullptr) return;
  columns_[kXid] = find_column(relation_, kXid, rows_);
  const Oid index = find_index(relation_, columns_[kXid]);
  ScanKeyInit(&range_[0], columns_[kXid], BTGreaterEqualStrategyNumber, F_XID8GE,
              UInt64GetDatum(from));
  ScanKeyInit(&range_[1], columns_[kXid], BTLessStrategyNumber, F_XID8LT, UInt64GetDatum(below));
  // The scan may rewrite its keys.
  ScanKeyData range[] = {range_[0], range_[1]};
  scan_ = systable_beginscan(relation_, index, index != InvalidOid, GetActiveSnapshot(), 2, range);
}

bool RequestScan::next(RequestVersion& version) {
  return pg::call([&] {
    if (!advance()) return false;
    read(version);
    return true;
  });
}

bool RequestScan::next(Xid& xid) {
  return pg::call([&] {
    if (!advance()) return false;
    bool is_null = false;
    xid = DatumGetUInt64(slot_getattr(scan_->slot, columns_[kXid], &is_null));
    return true;
  });
}

bool RequestScan::next_entry(Xid& xid) {
  return pg::call([&] {
    if (scan_ == nullptr) return false;
    IndexScanDesc walk = scan_->iscan;
    if (!walking_) {
      walking_ = true;
      walk->xs_want_itup = true;
      ScanKeyData range[] = {range_[0], range_[1]};
      for (ScanKeyData& key : range) key.sk_attno = 1;
      index_rescan(walk, range, 2, nullptr, 0);
    }
    CHECK_FOR_INTERRUPTS();
    if (index_getnext_tid(walk, ForwardScanDirection) == nullptr) {
      end();
      return false;
    }
    bool is_null = false;
    xid = DatumGetUInt64(index_getattr(walk->xs_itup, 1, walk->xs_itupdesc, &is_null));
    return true;
  });
}

void RequestScan::close() {
  pg::call([this] { end(); });
}

// From here on inside pg::call.

bool RequestScan::advance() {
  CHECK_FOR_INTERRUPTS();
  if (scan_ == nullptr) return false;
  if (HeapTupleIsValid(systable_getnext(scan_))) return true;
  end();
  return false;
}

void RequestScan::end() {
  if (row_memory_ != nullptr) MemoryContextDelete(row_memory_);
  row_memory_ = nullptr;
  if (scan_ != nullptr) systable_endscan(scan_);
  scan_ = nullptr;
  if (relation_ != nullptr) table_close(relation_, AccessShareLock);
  relation_ = nullptr;
}

void RequestScan::find_columns() {
  for (int figure = 0; figure < kFigures; ++figure) {
    columns_[figure] = find_column(relation_, figure, rows_);
    last_column_ = std::max(last_column_, columns_[figure]);
  }
  row_memory_ = AllocSetContextCreate(CurrentMemoryContext, "keypool row", ALLOCSET_SMALL_SIZES);
}

Datum RequestScan::value(int figure) const { return scan_->slot->tts_values[columns_[figure] - 1]; }

bool RequestScan::is_null(int figure) const {
  return columns_[figure] == 0 || scan_->slot->tts_isnull[columns_[figure] - 1];
}

void RequestScan::read(RequestVersion& version) {
  if (last_column_ == 0) find_columns();
  MemoryContextReset(row_memory_);
  MemoryContextSwitchTo(row_memory_);  // for what is stored out of line
  slot_getsomeattrs(scan_->slot, last_column_);
  const auto number = [this](int figure) -> std::int64_t {
    return is_null(figure) ? 0 : DatumGetInt32(value(figure));
  };
  const auto text = [this](int figure) -> std::optional<std::string_view> {
    if (is_null(figure)) return std::nullopt;
    return pg::varlena_view(value(figure));
  };
  version.xid = DatumGetUInt64(value(kXid));
  version.row_xid = is_null(kRowXid) ? 0 : DatumGetUInt64(value(kRowXid));
  version.dimensions = {.bucket = core::request_bucket(DatumGetTimestampTz(value(kCreatedAt))),
                        .provider = text(kProvider),
                        .model = text(kModel),
                        .user_id = text(kUserId),
                        .organization_id = text(kOrganizationId),
                        .key_source = text(kKeySource),
                        .api_key_id = is_null(kApiKeyId)
                                          ? std::nullopt
                                          : std::optional(DatumGetInt64(value(kApiKeyId))),
                        .is_anonymous = DatumGetBool(value(kIsAnonymous))};
  const bool is_error = rows_ == RequestRows::kChanges
                            ? DatumGetBool(value(kFailed))
                            : failed({.status = text(kStatus).value_or(""),
                                      .http_status = static_cast<std::int32_t>(number(kHttpStatus)),
                                      .error_type = text(kErrorType)});
  version.sums = {.requests = 1,
                  .errors = is_error,
                  .input_tokens = number(kInputTokens),
                  .output_tokens = number(kOutputTokens),
                  .cached_tokens = number(kCachedTokens),
                  .cost_nano = is_null(kCostUsd) ? 0 : pg::nanos_from_numeric(value(kCostUsd)),
                  .unpriced = is_null(kCostUsd),
                  .timed = !is_null(kProcessingTimeMs),
                  .time_ms = number(kProcessingTimeMs)};
}

}  // namespace keypool::store
