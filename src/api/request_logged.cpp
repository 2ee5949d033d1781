// The row triggers of the request log: each row counts with the transaction that wrote it, says
// which transaction that was, and leaves a record when its version ends.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "core/request_rules.hpp"
#include "pg/entry.hpp"
#include "pg/money.hpp"
#include "pg/trigger.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/request_tables.hpp"
#include "store/request_usage.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/table.h"
}

namespace keypool::api {

namespace {

namespace column = store::request_column;
namespace change = store::request_change_column;

constexpr int kColumns = column::kEnd - 1;

// A row of the log, taken apart. Views point into the tuple.
class LogRow {
 public:
  LogRow(HeapTuple tuple, TupleDesc description) {
    pg::call([&] {
      deform(tuple, description);
      read();
    });
  }

  Datum value(int column) const { return values_[column - 1]; }
  bool is_null(int column) const { return nulls_[column - 1]; }
  std::uint64_t xid() const { return DatumGetUInt64(value(column::kXid)); }

  const store::LoggedRequest& request() const { return request_; }

  const core::RequestFacts& facts() const { return facts_; }

  // Everything that counts is as it was.
  bool counts_as(const LogRow& other) const {
    return request_.api_key_id == other.request_.api_key_id &&
           request_.tokens == other.request_.tokens &&
           request_.cost_nano == other.request_.cost_nano &&
           request_.is_priced == other.request_.is_priced &&
           request_.created_at == other.request_.created_at &&
           request_.provider == other.request_.provider && request_.model == other.request_.model &&
           request_.user_id == other.request_.user_id &&
           request_.organization_id == other.request_.organization_id &&
           store::failed(request_) == store::failed(other.request_);
  }

  Datum* values() { return values_; }
  bool* nulls() { return nulls_; }

 private:
  std::size_t longest_name() const {
    std::size_t longest = VARHDRSZ;
    for (const int name : {column::kProvider, column::kModel, column::kUserId,
                           column::kOrganizationId, column::kKeySource}) {
      if (!is_null(name))
        longest = std::max<std::size_t>(longest, toast_raw_datum_size(value(name)));
    }
    return longest - VARHDRSZ;
  }

  void deform(HeapTuple tuple, TupleDesc description) {
    // Columns that somebody has added come after ours.
    const int all = description->natts;
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * all));
    auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * all));
    heap_deform_tuple(tuple, description, values, nulls);
    values_ = values;
    nulls_ = nulls;
  }

  void read() {
    request_ = {.created_at = DatumGetTimestampTz(value(column::kCreatedAt)),
                .provider = text_at(column::kProvider).value_or(""),
                .model = text_at(column::kModel).value_or(""),
                .user_id = text_at(column::kUserId).value_or(""),
                .organization_id = text_at(column::kOrganizationId).value_or(""),
                .api_key_id = int8(column::kApiKeyId),
                .lease_id = int8(column::kLeaseId),
                .has_user = !is_null(column::kUserId),
                .has_fingerprint = !is_null(column::kApiKeyFingerprint),
                .is_anonymous = DatumGetBool(value(column::kIsAnonymous)),
                .tokens = std::int64_t{DatumGetInt32(value(column::kInputTokens))} +
                          DatumGetInt32(value(column::kOutputTokens)),
                .is_priced = !is_null(column::kCostUsd),
                .cost_nano =
                    is_null(column::kCostUsd) ? 0 : pg::nanos_from_numeric(value(column::kCostUsd)),
                .processing_time_ms = int4(column::kProcessingTimeMs),
                .status = text_at(column::kStatus).value_or(""),
                .http_status = int4(column::kHttpStatus).value_or(0),
                .error_type = text_at(column::kErrorType),
                .error_message = text_at(column::kErrorMessage).value_or("")};
    facts_ = {.is_anonymous = request_.is_anonymous,
              .has_user = request_.has_user,
              .has_key = request_.api_key_id.has_value(),
              .input_tokens = DatumGetInt32(value(column::kInputTokens)),
              .output_tokens = DatumGetInt32(value(column::kOutputTokens)),
              .cached_tokens = DatumGetInt32(value(column::kCachedTokens)),
              .cost_nano = request_.cost_nano,
              .processing_time_ms = request_.processing_time_ms.value_or(0),
              .created_at = request_.created_at,
              .metadata_size =
                  is_null(column::kMetadata) ? 0 : toast_raw_datum_size(value(column::kMetadata)),
              .longest_name = longest_name()};
  }

  std::optional<std::string_view> text_at(int column) const {
    if (is_null(column)) return std::nullopt;
    const auto* content = DatumGetTextPP(value(column));
    return std::string_view(VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
  }
  std::optional<std::int64_t> int8(int column) const {
    return is_null(column) ? std::nullopt : std::optional(DatumGetInt64(value(column)));
  }
  std::optional<std::int32_t> int4(int column) const {
    return is_null(column) ? std::nullopt : std::optional(DatumGetInt32(value(column)));
  }

  Datum* values_;
  bool* nulls_;
  store::LoggedRequest request_ = {};
  core::RequestFacts facts_ = {};
};

// Of the log's columns, in their order.
constexpr std::array<Oid, kColumns> kTypes = {
    INT8OID,    TIMESTAMPTZOID, XID8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
    BYTEAOID,   TEXTOID,        BOOLOID, INT8OID, INT4OID, INT4OID, INT4OID, NUMERICOID,
    NUMERICOID, NUMERICOID,     TEXTOID, INT4OID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
    TEXTOID,    INT4OID,        TEXTOID, TEXTOID, INT2OID, TEXTOID, JSONBOID};

[[noreturn]] void refuse_layout(Relation table) {
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string("partition \"") + RelationGetRelationName(table) +
                        "\" does not have the columns of the request log in their order",
                    {}, "Make it with CREATE TABLE ... (LIKE keypool.chat_completion_requests).");
}

// Whoever may execute the trigger's function may put it on a table of his own, and change that as
// he likes: an int taken for a text would bring the server down. So this is asked for every row.
void require_types(Relation table) {
  const TupleDesc description = RelationGetDescr(table);
  bool same = description->natts >= kColumns;
  for (int i = 0; same && i < kColumns; ++i) {
    same = TupleDescAttr(description, i)->atttypid == kTypes[static_cast<std::size_t>(i)];
  }
  if (!same) refuse_layout(table);
}

// A partition attached by hand may have its columns in another order, in which nothing here would
// find them. Asked once for each table in a row.
void require_layout(Relation table) {
  static constinit Oid known = InvalidOid;
  require_types(table);
  if (known == RelationGetRelid(table)) return;
  static constexpr const char* kNames[] = {
      "id",      "created_at",      "xid",        "provider",           "model",
      "user_id", "organization_id", "api_key_id", "api_key_fingerprint"};
  const TupleDesc description = RelationGetDescr(table);
  bool same =
      std::string_view(NameStr(TupleDescAttr(description, kColumns - 1)->attname)) == "metadata";
  for (std::size_t i = 0; same && i < std::size(kNames); ++i) {
    same = std::string_view(NameStr(TupleDescAttr(description, i)->attname)) == kNames[i];
  }
  if (!same) refuse_layout(table);
  known = RelationGetRelid(table);
}

const TriggerData& row_of_log(const pg::Args& args, const char* function) {
  const TriggerData& trigger = pg::trigger_data(args, function);
  if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      std::string(function) + " must be called by a row trigger");
  }
  require_layout(trigger.tg_relation);
  return trigger;
}

std::uint64_t current_xid() {
  return U64FromFullTransactionId(pg::call([] { return GetTopFullTransactionId(); }));
}

// The version of the row that ends now. What this very transaction wrote nobody has folded.
void record_end(const LogRow& row) {
  const std::uint64_t xid = current_xid();
  if (row.xid() == xid) return;
  const bool failed = store::failed(row.request());
  const store::Catalog& catalog = store::catalog();
  pg::call([&] {
    Datum values[change::kEnd - 1];
    bool nulls[change::kEnd - 1];
    const auto set = [&](int column, Datum value, bool is_null = false) {
      values[column - 1] = value;
      nulls[column - 1] = is_null;
    };
    const auto copy = [&](int to, int from) { set(to, row.value(from), row.is_null(from)); };
    set(change::kXid, UInt64GetDatum(xid));
    copy(change::kRowXid, column::kXid);
    copy(change::kCreatedAt, column::kCreatedAt);
    copy(change::kProvider, column::kProvider);
    copy(change::kModel, column::kModel);
    copy(change::kUserId, column::kUserId);
    copy(change::kOrganizationId, column::kOrganizationId);
    copy(change::kApiKeyId, column::kApiKeyId);
    copy(change::kKeySource, column::kKeySource);
    copy(change::kIsAnonymous, column::kIsAnonymous);
    set(change::kFailed, BoolGetDatum(failed));
    copy(change::kInputTokens, column::kInputTokens);
    copy(change::kOutputTokens, column::kOutputTokens);
    copy(change::kCachedTokens, column::kCachedTokens);
    copy(change::kCostUsd, column::kCostUsd);
    copy(change::kProcessingTimeMs, column::kProcessingTimeMs);
    Relation changes = table_open(catalog.request_changes, RowExclusiveLock);
    store::write_row(changes, store::describe_changes(changes), values, nulls);
    table_close(changes, NoLock);
  });
}

// A row that was copied with the column given names somebody else's transaction: folding would pass
// it by. It gets its own; nobody has seen it yet.
void correct_xid(Relation partition, HeapTuple tuple, LogRow& row) {
  const std::uint64_t xid = current_xid();
  if (row.xid() == xid) return;
  const store::Catalog& catalog = store::catalog();
  row.values()[column::kXid - 1] = UInt64GetDatum(xid);
  const bool replaced = pg::call([&] {
    const store::TableDescription& table = store::describe_partition(partition, catalog);
    ItemPointerData place = tuple->t_self;
    if (table.simple) store::replace_row(partition, table, &place, row.values(), row.nulls());
    return table.simple;
  });
  if (replaced) return;
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string("column \"xid\" cannot be given for partition \"") +
                        RelationGetRelationName(partition) + "\", which was added to by hand",
                    {},
                    "Leave the column out: its default is the transaction that writes the row.");
}

// AFTER INSERT OR UPDATE OR DELETE, for each row.
Datum request_logged(const pg::Args& args) {
  const TriggerData& trigger = row_of_log(args, "request_logged");
  const TupleDesc description = RelationGetDescr(trigger.tg_relation);
  LogRow row(trigger.tg_trigtuple, description);
  if (TRIGGER_FIRED_BY_INSERT(trigger.tg_event)) {
    core::check_request(row.facts());
    correct_xid(trigger.tg_relation, trigger.tg_trigtuple, row);
    store::count_request(row.request());
    return Datum{0};
  }
  record_end(row);
  store::note_change();
  if (TRIGGER_FIRED_BY_DELETE(trigger.tg_event)) {
    store::uncount_request(row.request());
    return Datum{0};
  }
  const LogRow changed(trigger.tg_newtuple, description);
  core::check_request(changed.facts());
  if (row.counts_as(changed)) return Datum{0};
  store::uncount_request(row.request());
  store::recount_request(changed.request());
  return Datum{0};
}

// BEFORE UPDATE, for each row: the new version is this transaction's.
Datum request_versioned(const pg::Args& args) {
  const TriggerData& trigger = row_of_log(args, "request_versioned");
  if (!TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "request_versioned must be called by a trigger for UPDATE");
  }
  const TupleDesc description = RelationGetDescr(trigger.tg_relation);
  const std::uint64_t xid = current_xid();
  HeapTuple changed = trigger.tg_newtuple;
  return pg::call([&] {
    int number = column::kXid;
    Datum value = UInt64GetDatum(xid);
    bool is_null = false;
    HeapTuple tuple = heap_modify_tuple_by_cols(changed, description, 1, &number, &value, &is_null);
    return PointerGetDatum(tuple);
  });
}

}  // namespace

KEYPOOL_FUNCTION(request_logged, request_logged);
KEYPOOL_FUNCTION(request_versioned, request_versioned);

}  // namespace keypool::api
