// The tables that a logged request is written to: the partition of its time, and keypool's record
// of row versions that ended. What both have of columns, checks and triggers is known here.
//
// Postgres calls throughout: only inside pg::call.
#pragma once

#include "core/time.hpp"
#include "store/catalog.hpp"
#include "store/table_writer.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only.
void install_request_tables();

// Which partitions a time may lie in: its own and, for a repeat that came a little earlier or
// later, those beside it and the default one. InvalidOid: there is none.
struct RequestPlaces {
  Oid own;
  Oid before;
  Oid after;
  Oid rest;
};

// `log` is open and locked. A partition may itself be partitioned, or a foreign table.
RequestPlaces places_of(Relation log, core::Micros created_at);

// Whether the log as a whole has nothing that a row written directly would pass by: statement
// triggers, added columns, row-level security for its owner.
bool log_is_simple(Relation log, const Catalog& catalog);

const TableDescription& describe_partition(Relation partition, const Catalog& catalog);
const TableDescription& describe_changes(Relation changes);

}  // namespace keypool::store
