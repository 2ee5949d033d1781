#include "store/request_tables.hpp"

#include <algorithm>
#include <iterator>

#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/trigger.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/inval.h"
#include "utils/partcache.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

// The partition that was asked for last: requests come in the order of time.
struct LastPlaces {
  Oid log;  // InvalidOid: none
  core::Micros from;
  core::Micros to;
  RequestPlaces places;
};
LastPlaces last = {};

void forget(Datum, Oid relation) {
  if (relation == InvalidOid || relation == last.log) last.log = InvalidOid;
}

// The bound as a time; a missing one is the end of time.
core::Micros bound_time(const PartitionBoundInfo bounds, int place, core::Micros otherwise) {
  if (place < 0 || place >= bounds->ndatums) return otherwise;
  const PartitionRangeDatumKind kind = bounds->kind[place][0];
  if (kind == PARTITION_RANGE_DATUM_MINVALUE) return PG_INT64_MIN;
  if (kind == PARTITION_RANGE_DATUM_MAXVALUE) return PG_INT64_MAX;
  return DatumGetTimestampTz(bounds->datums[place][0]);
}

// Bound number `place` ends partition indexes[place], as partbounds.c has it.
Oid partition_at(const PartitionDesc partitions, int place) {
  const PartitionBoundInfo bounds = partitions->boundinfo;
  if (place < 0 || place > bounds->ndatums) return InvalidOid;
  const int partition = bounds->indexes[place];
  return partition < 0 ? InvalidOid : partitions->oids[partition];
}

LastPlaces look_up(Relation log, core::Micros created_at) {
  const PartitionDesc partitions = RelationGetPartitionDesc(log, true);
  const PartitionKey key = RelationGetPartitionKey(log);
  const PartitionBoundInfo bounds = partitions->boundinfo;
  LastPlaces found = {RelationGetRelid(log), PG_INT64_MIN, PG_INT64_MAX, {}};
  if (bounds == nullptr) return found;
  Datum time = TimestampTzGetDatum(created_at);
  bool equal = false;
  const int at =
      partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &time, &equal);
  found.from = bound_time(bounds, at, PG_INT64_MIN);
  found.to = bound_time(bounds, at + 1, PG_INT64_MAX);
  const Oid rest = bounds->default_index < 0 ? InvalidOid : partitions->oids[bounds->default_index];
  const Oid own = partition_at(partitions, at + 1);
  found.places = {own == InvalidOid ? rest : own, partition_at(partitions, at),
                  partition_at(partitions, at + 2), rest};
  return found;
}

Allowed allowed_on_log(const Catalog& catalog) {
  return {request_column::kEnd - 1, catalog.request_triggers,
          static_cast<int>(std::size(catalog.request_triggers))};
}

}  // namespace

void install_request_tables() { CacheRegisterRelcacheCallback(forget, Datum{0}); }

RequestPlaces places_of(Relation log, core::Micros created_at) {
  const bool known =
      last.log == RelationGetRelid(log) && created_at >= last.from && created_at < last.to;
  if (!known) last = look_up(log, created_at);
  return last.places;
}

bool log_is_simple(Relation log, const Catalog& catalog) {
  const TriggerDesc* triggers = log->trigdesc;
  const bool statement_triggers = triggers != nullptr && (triggers->trig_insert_before_statement ||
                                                          triggers->trig_insert_after_statement);
  return !statement_triggers && !log->rd_rel->relforcerowsecurity &&
         RelationGetNumberOfAttributes(log) == request_column::kEnd - 1 &&
         catalog.request_triggers[0] != InvalidOid;
}

const TableDescription& describe_partition(Relation partition, const Catalog& catalog) {
  return describe(partition, allowed_on_log(catalog));
}

const TableDescription& describe_changes(Relation changes) {
  return describe(changes, {request_change_column::kEnd - 1, nullptr, 0});
}

}  // namespace keypool::store
