#include "store/table_writer.hpp"

#include <algorithm>

#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "commands/trigger.h"
#include "nodes/makefuncs.h"
#include "nodes/primnodes.h"
#include "utils/inval.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

// The partition of today, of yesterday, the default one, the one of changes.
constexpr std::size_t kKept = 4;
TableDescription kept[kKept] = {};
MemoryContext memory_of[kKept] = {};
std::size_t next = 0;

void forget(Datum, Oid relation) {
  for (TableDescription& table : kept) {
    if (relation == InvalidOid || table.oid == relation) table.oid = InvalidOid;
  }
}

bool is_allowed(const Trigger& trigger, const Allowed& allowed) {
  const Oid* end = allowed.triggers + allowed.trigger_count;
  return std::find(allowed.triggers, end, trigger.tgfoid) != end;
}

bool has_only_allowed_triggers(Relation table, const Allowed& allowed) {
  const TriggerDesc* triggers = table->trigdesc;
  if (triggers == nullptr) return true;
  return std::all_of(triggers->triggers, triggers->triggers + triggers->numtriggers,
                     [&](const Trigger& trigger) { return is_allowed(trigger, allowed); });
}

bool is_plain(Relation table, const Allowed& allowed) {
  const TupleConstr* constraints = RelationGetDescr(table)->constr;
  const bool computes =
      constraints != nullptr && (constraints->has_generated_stored || constraints->num_check != 0);
  return table->rd_rel->relkind == RELKIND_RELATION && table->rd_rel->relam == HEAP_TABLE_AM_OID &&
         RelationGetNumberOfAttributes(table) == allowed.columns && !computes &&
         !table->rd_rel->relforcerowsecurity && has_only_allowed_triggers(table, allowed);
}

// The predicate as NULL tests on columns. False: it is something else.
bool read_predicate(Relation index, TableIndex& entry) {
  entry.null_tests = 0;
  ListCell* cell;
  foreach (cell, RelationGetIndexPredicate(index)) {
    const Node* clause = static_cast<Node*>(lfirst(cell));
    if (!IsA(clause, NullTest) || entry.null_tests == kMostNullTests) return false;
    const auto* test = reinterpret_cast<const NullTest*>(clause);
    if (!IsA(test->arg, Var)) return false;
    entry.null_test[entry.null_tests++] = {reinterpret_cast<const Var*>(test->arg)->varattno,
                                           test->nulltesttype == IS_NULL};
  }
  return true;
}

bool is_request_index(const IndexInfo& info) {
  return info.ii_Unique && info.ii_NumIndexKeyAttrs == 2 &&
         info.ii_IndexAttrNumbers[0] == request_column::kRequestId &&
         info.ii_IndexAttrNumbers[1] == request_column::kAttempt;
}

// False: only the executor can keep an index like that.
bool read_index(Oid oid, TableDescription& table) {
  if (table.indexes == kMostIndexes) return false;
  Relation index = index_open(oid, RowExclusiveLock);
  TableIndex& entry = table.index[table.indexes++];
  entry.oid = oid;
  entry.info = BuildIndexInfo(index);
  const bool plain = entry.info->ii_Expressions == NIL && entry.info->ii_ExclusionOps == nullptr &&
                     index->rd_index->indimmediate && read_predicate(index, entry);
  if (is_request_index(*entry.info)) table.request_index = oid;
  index_close(index, NoLock);
  return plain;
}

void read_table(Relation relation, const Allowed& allowed, TableDescription& table) {
  table.simple = is_plain(relation, allowed);
  table.indexes = 0;
  table.request_index = InvalidOid;
  ListCell* cell;
  foreach (cell, RelationGetIndexList(relation)) {
    if (!read_index(lfirst_oid(cell), table)) table.simple = false;
  }
}

bool is_indexed(const TableIndex& index, const bool* nulls) {
  return std::all_of(
      index.null_test, index.null_test + index.null_tests,
      [nulls](const auto& test) { return nulls[test.column - 1] == test.must_be_null; });
}

// Since 17 an access method may keep something for the next row, until it is told that there is
// none.
template <typename Index>
void end_inserts(Index index, IndexInfo* info) {
  if constexpr (requires { index_insert_cleanup(index, info); }) index_insert_cleanup(index, info);
}

void write_index(Relation table, const TableIndex& index, Datum* values, bool* nulls,
                 ItemPointer place) {
  Datum key[INDEX_MAX_KEYS];
  bool is_null[INDEX_MAX_KEYS];
  for (int i = 0; i < index.info->ii_NumIndexAttrs; ++i) {
    const int column = index.info->ii_IndexAttrNumbers[i] - 1;
    key[i] = values[column];
    is_null[i] = nulls[column];
  }
  // What an access method keeps between rows lives no longer than this row.
  index.info->ii_AmCache = nullptr;
  index.info->ii_Context = CurrentMemoryContext;
  Relation relation = index_open(index.oid, RowExclusiveLock);
  index_insert(relation, key, is_null, place, table,
               index.info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, index.info);
  end_inserts(relation, index.info);
  index_close(relation, NoLock);
}

void write_indexes(Relation table, const TableDescription& description, Datum* values, bool* nulls,
                   ItemPointer place) {
  for (int i = 0; i < description.indexes; ++i) {
    const TableIndex& index = description.index[i];
    if (is_indexed(index, nulls)) write_index(table, index, values, nulls, place);
  }
}

}  // namespace

void install_table_writer() { CacheRegisterRelcacheCallback(forget, Datum{0}); }

const TableDescription& describe(Relation table, const Allowed& allowed) {
  const Oid oid = RelationGetRelid(table);
  for (const TableDescription& known : kept) {
    if (known.oid == oid) return known;
  }
  const std::size_t place = next++ % kKept;
  TableDescription& fresh = kept[place];
  fresh.oid = InvalidOid;
  if (memory_of[place] == nullptr) {
    memory_of[place] = AllocSetContextCreate(TopMemoryContext, "pg_keypool table description",
                                             ALLOCSET_SMALL_SIZES);
  }
  MemoryContextReset(memory_of[place]);
  MemoryContext outer = MemoryContextSwitchTo(memory_of[place]);
  read_table(table, allowed, fresh);
  MemoryContextSwitchTo(outer);
  fresh.oid = oid;
  return fresh;
}

void write_row(Relation table, const TableDescription& description, Datum* values, bool* nulls) {
  HeapTuple row = heap_form_tuple(RelationGetDescr(table), values, nulls);
  heap_insert(table, row, GetCurrentCommandId(true), 0, nullptr);
  write_indexes(table, description, values, nulls, &row->t_self);
  heap_freetuple(row);
}

void replace_row(Relation table, const TableDescription& description, ItemPointer place,
                 Datum* values, bool* nulls) {
  CommandCounterIncrement();  // or the row that is replaced cannot be seen yet
  simple_heap_delete(table, place);
  write_row(table, description, values, nulls);
}

}  // namespace keypool::store
