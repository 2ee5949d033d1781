// Rows straight into a table and its indexes, without the executor.
//
// For tables that hold nothing the executor would have to obey: no triggers but ours, no checks, no
// computed columns, plain heap storage, indexes on columns whose
// predicates only ask for NULL or NOT NULL. describe() says whether a table is like that. A
// description is kept for the session until Postgres says that the table changed.
//
// Postgres calls throughout: only inside pg::call. Takes RowExclusiveLock until the transaction
// ends; checks no privilege and no NOT NULL.
#pragma once

#include <cstdint>

#include "pg/postgres.hpp"

extern "C" {
#include "nodes/execnodes.h"
#include "utils/relcache.h"
}

namespace keypool::store {

inline constexpr int kMostIndexes = 16;
inline constexpr int kMostNullTests = 4;

struct TableIndex {
  Oid oid;
  IndexInfo* info;
  int null_tests;
  struct {
    AttrNumber column;
    bool must_be_null;
  } null_test[kMostNullTests];
};

struct TableDescription {
  Oid oid;  // InvalidOid: not described
  bool simple;
  int indexes;
  TableIndex index[kMostIndexes];
  Oid request_index;  // the unique one on (request_id, attempt), if there is one
};

// _PG_init only.
void install_table_writer();

// What a simple table may have.
struct Allowed {
  int columns;
  const Oid* triggers;  // functions of row triggers
  int trigger_count;
};

// The table is open and locked. Looked up once; the answer is good until the next call.
const TableDescription& describe(Relation table, const Allowed& allowed);

// `values` and `nulls` of all columns. The table is simple.
void write_row(Relation table, const TableDescription& description, Datum* values, bool* nulls);
// The same instead of a row that this transaction inserted.
void replace_row(Relation table, const TableDescription& description, ItemPointer place,
                 Datum* values, bool* nulls);

}  // namespace keypool::store
