#include "store/rollup_table.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}

namespace keypool::store {

namespace {

[[noreturn]] void out_of_range(const char* table) {
  throw core::Error(core::ErrorCode::kConfigurationLimit,
                    std::string("sum in keypool.") + table + " is out of range",
                    "Tokens, milliseconds and nano-dollars of a day are counted in 64 bits.",
                    "Correct the rows of the request log whose figures are absurd.");
}

}  // namespace

RollupTable::RollupTable(Oid table, int keys) : keys_(keys) {
  pg::call([=, this] { open(table); });
}

void RollupTable::add(std::span<const pg::NullableValue> keys,
                      std::span<const std::int64_t> amounts) {
  const bool in_range = pg::call([&] {
    CHECK_FOR_INTERRUPTS();
    // What the scan allocates outlives the row.
    const bool found = find(keys);
    MemoryContextReset(memory_);
    MemoryContextSwitchTo(memory_);
    ResetPerTupleExprContext(executor_);
    if (found) return change(amounts);
    insert(keys, amounts);
    return true;
  });
  if (!in_range) out_of_range(RelationGetRelationName(relation_));
}

// So that the next round sees what this one wrote.
void RollupTable::next_round() {
  pg::call([] { CommandCounterIncrement(); });
}

void RollupTable::close() {
  pg::call([this] {
    systable_endscan(scan_);
    ExecCloseIndices(result_);
    ExecDropSingleTupleTableSlot(row_);
    FreeExecutorState(executor_);
    MemoryContextDelete(memory_);
    table_close(relation_, NoLock);
  });
}

// From here on inside pg::call.

void RollupTable::open(Oid table) {
  relation_ = table_open(table, RowExclusiveLock);
  memory_ = AllocSetContextCreate(CurrentMemoryContext, "keypool row", ALLOCSET_SMALL_SIZES);
  open_scan();
  executor_ = CreateExecutorState();
  executor_->es_snapshot = GetActiveSnapshot();
  result_ = makeNode(ResultRelInfo);
  InitResultRelInfo(result_, relation_, 0, nullptr, 0);
  ExecOpenIndices(result_, false);
  row_ = table_slot_create(relation_, nullptr);
}

void RollupTable::open_scan() {
  Relation index = index_open(unique_index(), AccessShareLock);
  ScanKeyData by_column[kMostKeys];
  for (int i = 0; i < keys_; ++i) {
    const Oid type = index->rd_opcintype[i];
    const Oid equals =
        get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
    column_[i] = index->rd_index->indkey.values[i];
    ScanKeyEntryInitialize(&key_[i], SK_ISNULL | SK_SEARCHNULL, static_cast<AttrNumber>(i + 1),
                           BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
                           get_opcode(equals), Datum{0});
    by_column[i] = key_[i];
    by_column[i].sk_attno = column_[i];
  }
  scan_ =
      systable_beginscan(relation_, RelationGetRelid(index), true, SnapshotSelf, keys_, by_column);
  index_close(index, AccessShareLock);
}

// The one of the first columns, in whatever order.
Oid RollupTable::unique_index() const {
  List* indexes = RelationGetIndexList(relation_);
  ListCell* cell = nullptr;
  foreach (cell, indexes) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (!HeapTupleIsValid(tuple)) continue;
    const auto* form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    bool suits = form->indisunique && form->indisvalid && form->indimmediate &&
                 form->indnkeyatts == keys_ &&
                 heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
    for (int i = 0; suits && i < keys_; ++i) {
      suits = form->indkey.values[i] >= 1 && form->indkey.values[i] <= keys_;
    }
    ReleaseSysCache(tuple);
    if (suits) return lfirst_oid(cell);
  }
  elog(ERROR, "table \"%s\" has lost its unique index", RelationGetRelationName(relation_));
}

bool RollupTable::find(std::span<const pg::NullableValue> keys) {
  for (int i = 0; i < keys_; ++i) {
    const pg::NullableValue& value = keys[column_[i] - 1];
    key_[i].sk_flags = value.is_null ? SK_ISNULL | SK_SEARCHNULL : 0;
    key_[i].sk_argument = value.datum;
  }
  index_rescan(scan_->iscan, key_, keys_, nullptr, 0);
  return HeapTupleIsValid(systable_getnext(scan_));
}

bool RollupTable::change(std::span<const std::int64_t> amounts) {
  slot_getallattrs(scan_->slot);
  const int columns = RelationGetNumberOfAttributes(relation_);
  ExecClearTuple(row_);
  std::copy_n(scan_->slot->tts_values, columns, row_->tts_values);
  std::copy_n(scan_->slot->tts_isnull, columns, row_->tts_isnull);
  bool is_left = false;
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    Datum& value = row_->tts_values[keys_ + i];
    std::int64_t sum = DatumGetInt64(value);
    if (__builtin_add_overflow(sum, amounts[i], &sum)) return false;
    value = Int64GetDatum(sum);
    is_left = is_left || sum != 0;
  }
  ExecStoreVirtualTuple(row_);
  EPQState nobody_comes_between = {};
  if (is_left) {
    ExecSimpleRelationUpdate(result_, executor_, &nobody_comes_between, scan_->slot, row_);
  } else {
    ExecSimpleRelationDelete(result_, executor_, &nobody_comes_between, scan_->slot);
  }
  return true;
}

void RollupTable::insert(std::span<const pg::NullableValue> keys,
                         std::span<const std::int64_t> amounts) {
  ExecClearTuple(row_);
  std::fill_n(row_->tts_isnull, RelationGetNumberOfAttributes(relation_), true);
  for (int i = 0; i < keys_; ++i) {
    row_->tts_values[i] = keys[i].datum;
    row_->tts_isnull[i] = keys[i].is_null;
  }
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    row_->tts_values[keys_ + i] = Int64GetDatum(amounts[i]);
    row_->tts_isnull[keys_ + i] = false;
  }
  ExecStoreVirtualTuple(row_);
  ExecSimpleRelationInsert(result_, executor_, row_);
}

}  // namespace keypool::store
