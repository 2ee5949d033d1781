#include "store/request_log.hpp"

#include <algorithm>
#include <array>

#include "pg/datum.hpp"
#include "pg/guard.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/request_tables.hpp"
#include "store/request_usage.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "catalog/pg_collation_d.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

namespace column = request_column;

// A row's columns on their way into a tuple. Inside pg::call.
class RowValues {
 public:
  RowValues() { std::fill_n(nulls_, column::kEnd - 1, true); }

  void set(int column, Datum value) {
    values_[column - 1] = value;
    nulls_[column - 1] = false;
  }
  template <typename T>
  void set(int column, const T& value) {
    set(column, pg::SqlType<T>::to(value));
  }
  template <typename T>
  void set(int column, const std::optional<T>& value) {
    if (value) set(column, *value);
  }
  // As numeric(18, 9) shows it.
  void set_money(int column, const std::optional<std::int64_t>& nanos) {
    if (nanos) set(column, NumericGetDatum(int64_div_fast_to_numeric(*nanos, 9)));
  }

  Datum* values() { return values_; }
  bool* nulls() { return nulls_; }

 private:
  Datum values_[column::kEnd - 1] = {};
  bool nulls_[column::kEnd - 1];
};

void fill(RowValues& row, const NewRequest& request, std::int64_t id) {
  row.set(column::kId, id);
  row.set(column::kCreatedAt, TimestampTzGetDatum(request.created_at));
  row.set(column::kXid, UInt64GetDatum(U64FromFullTransactionId(GetTopFullTransactionId())));
  row.set(column::kProvider, request.provider);
  row.set(column::kModel, request.model);
  row.set(column::kUserId, request.user_id);
  row.set(column::kOrganizationId, request.organization_id);
  row.set(column::kApiKeyId, request.api_key_id);
  if (request.api_key_fingerprint) {
    row.set(column::kApiKeyFingerprint, pg::Bytes{*request.api_key_fingerprint});
  }
  row.set(column::kKeySource, request.key_source);
  row.set(column::kIsAnonymous, request.is_anonymous);
  row.set(column::kLeaseId, request.lease_id);
  row.set(column::kInputTokens, request.input_tokens);
  row.set(column::kOutputTokens, request.output_tokens);
  row.set(column::kCachedTokens, request.cached_tokens);
  row.set_money(column::kCostUsd, request.cost_nano);
  row.set_money(column::kInputCostUsd, request.input_cost_nano);
  row.set_money(column::kOutputCostUsd, request.output_cost_nano);
  row.set(column::kPricingSource, request.pricing_source);
  row.set(column::kProcessingTimeMs, request.processing_time_ms);
  row.set(column::kStatus, request.status);
  row.set(column::kHttpStatus, request.http_status);
  row.set(column::kErrorType, request.error_type);
  row.set(column::kErrorMessage, request.error_message);
  row.set(column::kRequestId, request.request_id);
  row.set(column::kAttempt, request.attempt);
  row.set(column::kSessionId, request.session_id);
  row.set(column::kTraceId, request.trace_id);
  row.set(column::kLookupAttempts, Int16GetDatum(0));
  row.set(column::kMetadata, request.metadata);
}

// False: the row has to go through SQL.
bool write_directly(const Catalog& catalog, const NewRequest& request, RowValues& row) {
  Relation log = table_open(catalog.requests, RowExclusiveLock);
  bool written = false;
  const Oid place = places_of(log, request.created_at).own;
  if (place != InvalidOid && log_is_simple(log, catalog)) {
    Relation partition = table_open(place, RowExclusiveLock);
    const TableDescription& description = describe_partition(partition, catalog);
    // While we waited for the lock the day may have got a partition of its own: SQL finds it.
    written = description.simple && places_of(log, request.created_at).own == place;
    if (written) write_row(partition, description, row.values(), row.nulls());
    table_close(partition, NoLock);
  }
  table_close(log, NoLock);
  return written;
}

// What insert_request promises for a log that somebody has added to.
void write_through_sql(RowValues& row) {
  static constexpr const char* kInsert =
      "INSERT INTO keypool.chat_completion_requests (id, created_at, provider, model, user_id,"
      " organization_id, api_key_id, api_key_fingerprint, key_source, is_anonymous, lease_id,"
      " input_tokens, output_tokens, cached_tokens, cost_usd, input_cost_usd, output_cost_usd,"
      " pricing_source, processing_time_ms, status, http_status, error_type, error_message,"
      " request_id, attempt, session_id, trace_id, metadata)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
      " $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)";
  static constexpr struct {
    int column;
    Oid type;
  } kParameters[] = {{column::kId, INT8OID},
                     {column::kCreatedAt, TIMESTAMPTZOID},
                     {column::kProvider, TEXTOID},
                     {column::kModel, TEXTOID},
                     {column::kUserId, TEXTOID},
                     {column::kOrganizationId, TEXTOID},
                     {column::kApiKeyId, INT8OID},
                     {column::kApiKeyFingerprint, BYTEAOID},
                     {column::kKeySource, TEXTOID},
                     {column::kIsAnonymous, BOOLOID},
                     {column::kLeaseId, INT8OID},
                     {column::kInputTokens, INT4OID},
                     {column::kOutputTokens, INT4OID},
                     {column::kCachedTokens, INT4OID},
                     {column::kCostUsd, NUMERICOID},
                     {column::kInputCostUsd, NUMERICOID},
                     {column::kOutputCostUsd, NUMERICOID},
                     {column::kPricingSource, TEXTOID},
                     {column::kProcessingTimeMs, INT4OID},
                     {column::kStatus, TEXTOID},
                     {column::kHttpStatus, INT4OID},
                     {column::kErrorType, TEXTOID},
                     {column::kErrorMessage, TEXTOID},
                     {column::kRequestId, TEXTOID},
                     {column::kAttempt, INT4OID},
                     {column::kSessionId, TEXTOID},
                     {column::kTraceId, TEXTOID},
                     {column::kMetadata, JSONBOID}};
  constexpr std::size_t kCount = std::size(kParameters);
  std::array<Oid, kCount> types;
  std::array<Datum, kCount> values;
  std::array<char, kCount + 1> nulls = {};
  for (std::size_t i = 0; i < kCount; ++i) {
    const int place = kParameters[i].column - 1;
    types[i] = kParameters[i].type;
    values[i] = row.values()[place];
    nulls[i] = row.nulls()[place] ? 'n' : ' ';
  }
  const pg::ActAs owner(catalog().owner);
  const pg::Session session;
  pg::call([&] {
    const int result =
        SPI_execute_with_args(kInsert, kCount, types.data(), values.data(), nulls.data(), false, 0);
    if (result != SPI_OK_INSERT)
      elog(ERROR, "cannot log a request: %s", SPI_result_code_string(result));
  });
}

LoggedRequest logged(const NewRequest& request) {
  return {.created_at = request.created_at,
          .provider = request.provider,
          .model = request.model,
          .user_id = request.user_id.value_or(""),
          .organization_id = request.organization_id.value_or(""),
          .api_key_id = request.api_key_id,
          .lease_id = request.lease_id,
          .has_user = request.user_id.has_value(),
          .has_fingerprint = request.api_key_fingerprint.has_value(),
          .is_anonymous = request.is_anonymous,
          .tokens = std::int64_t{request.input_tokens} + request.output_tokens,
          .is_priced = request.cost_nano.has_value(),
          .cost_nano = request.cost_nano.value_or(0),
          .processing_time_ms = request.processing_time_ms,
          .status = request.status,
          .http_status = request.http_status.value_or(0),
          .error_type = request.error_type,
          .error_message = request.error_message.value_or(""),
          .headers = request.headers};
}

// --- a repeat

struct Wanted {
  Datum request_id;
  std::int32_t attempt;
};

enum class Looked : std::uint8_t { kNothing, kFound, kWaited };

// Sees what is not committed yet, as the unique index does. A transaction that is just logging the
// same request, or just deleting it, is waited for; then one has to look again.
Looked look_in(Relation partition, Oid index, const Wanted& wanted, std::int64_t& id) {
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], column::kRequestId, BTEqualStrategyNumber, F_TEXTEQ, wanted.request_id);
  ScanKeyInit(&keys[1], column::kAttempt, BTEqualStrategyNumber, F_INT4EQ,
              Int32GetDatum(wanted.attempt));
  keys[0].sk_collation = C_COLLATION_OID;
  SnapshotData dirty;
  InitDirtySnapshot(dirty);
  SysScanDesc scan = systable_beginscan(partition, index, true, &dirty, 2, keys);
  HeapTuple tuple = systable_getnext(scan);
  const bool found = HeapTupleIsValid(tuple);
  if (found) {
    bool is_null;
    id = DatumGetInt64(heap_getattr(tuple, column::kId, RelationGetDescr(partition), &is_null));
  }
  systable_endscan(scan);
  if (!found) return Looked::kNothing;
  const TransactionId other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
  if (!TransactionIdIsValid(other)) return Looked::kFound;
  XactLockTableWait(other, nullptr, nullptr, XLTW_None);
  return Looked::kWaited;
}

bool find_in(Oid place, const Catalog& catalog, const Wanted& wanted, std::int64_t& id) {
  if (place == InvalidOid) return false;
  Relation partition = table_open(place, RowExclusiveLock);
  const Oid index = partition->rd_rel->relkind == RELKIND_RELATION
                        ? describe_partition(partition, catalog).request_index
                        : InvalidOid;
  Looked looked = Looked::kNothing;
  if (index != InvalidOid) {
    do {
      CHECK_FOR_INTERRUPTS();
      looked = look_in(partition, index, wanted, id);
    } while (looked == Looked::kWaited);
  }
  table_close(partition, NoLock);
  return looked == Looked::kFound;
}

}  // namespace

std::int64_t insert_request(const NewRequest& request) {
  const Catalog& relations = catalog();
  RowValues row;
  std::int64_t id = 0;
  const bool written = pg::call([&] {
    id = nextval_internal(relations.requests_id_seq, false);
    fill(row, request, id);
    return write_directly(relations, request, row);
  });
  if (written) {
    count_request(logged(request));
  } else {
    write_through_sql(row);  // its trigger counts
    note_headers(logged(request));
  }
  return id;
}

std::optional<std::int64_t> find_request(std::string_view request_id, std::int32_t attempt,
                                         core::Micros created_at) {
  const Catalog& relations = catalog();
  std::int64_t id = 0;
  const bool found = pg::call([&] {
    const Wanted wanted = {pg::SqlType<std::string_view>::to(request_id), attempt};
    Relation log = table_open(relations.requests, RowExclusiveLock);
    const RequestPlaces places = places_of(log, created_at);
    const Oid rest = places.rest == places.own ? InvalidOid : places.rest;
    bool seen = false;
    for (const Oid place : {places.own, places.before, places.after, rest}) {
      seen = seen || find_in(place, relations, wanted, id);
    }
    table_close(log, NoLock);
    return seen;
  });
  return found ? std::optional(id) : std::nullopt;
}

}  // namespace keypool::store
