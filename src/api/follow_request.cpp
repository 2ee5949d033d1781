// The trigger that an import with follow => true leaves on its source: each new row goes into the
// log with the transaction that inserts it.
//
// Runs as whoever inserts, and writes as the tables' owner. A row that the log cannot take is
// listed and warned of; the application's INSERT goes on.
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/import_copy.hpp"
#include "store/import_rule.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace keypool::api {

namespace {

// ---- a row of the source ----

struct Value {
  Oid type;
  pg::NullableValue content;
};

// Types that the statement takes as they are: those of keypool.import_source_columns.
bool is_plain(Oid type) {
  switch (type) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case NUMERICOID:
    case FLOAT4OID:
    case FLOAT8OID:
    case BOOLOID:
    case UUIDOID:
    case TIMESTAMPTZOID:
    case TIMESTAMPOID:
    case DATEOID:
    case JSONOID:
    case JSONBOID:
    case BYTEAOID:
      return true;
    default:
      return false;
  }
}

// Any other type is shown as text, with the rights of whoever inserts.
Value value_of(const TriggerData& trigger, const char* column) {
  return pg::call([&trigger, column] {
    TupleDesc type = RelationGetDescr(trigger.tg_relation);
    const int number = SPI_fnumber(type, column);
    if (number <= 0) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" is gone", column)));
    }
    Value value = {.type = getBaseType(SPI_gettypeid(type, number))};
    value.content.datum = SPI_getbinval(trigger.tg_trigtuple, type, number, &value.content.is_null);
    if (is_plain(value.type)) return value;
    value.type = TEXTOID;
    if (!value.content.is_null) {
      value.content.datum = CStringGetTextDatum(SPI_getvalue(trigger.tg_trigtuple, type, number));
    }
    return value;
  });
}

std::string text_of(const TriggerData& trigger, const char* column) {
  const char* text = pg::call([&trigger, column]() -> const char* {
    TupleDesc type = RelationGetDescr(trigger.tg_relation);
    const int number = SPI_fnumber(type, column);
    if (number <= 0) return nullptr;
    return SPI_getvalue(trigger.tg_trigtuple, type, number);
  });
  return text != nullptr ? text : "";
}

// ---- what is not copied ----

// Once a transaction: a COPY of many such rows says no more with as many warnings.
void warn(const TriggerData& trigger, std::string_view reason) {
  static constinit TransactionId warned_in = InvalidTransactionId;
  const TransactionId transaction = GetTopTransactionIdIfAny();
  if (transaction == warned_in) return;
  warned_in = transaction;
  const std::string text(reason);
  const char* why = text.c_str();
  pg::call([&trigger, why] {
    ereport(WARNING,
            (errmsg("a new row of \"%s\" could not be copied into the request log",
                    RelationGetRelationName(trigger.tg_relation)),
             errdetail_internal("%s.", why), errhint("See keypool.request_import_refusals.")));
  });
}

// A row of that name is what the application has logged itself, say.
std::string reason_of(const pg::Problem& problem) {
  if (problem.sqlstate == ERRCODE_UNIQUE_VIOLATION) {
    return "a request of this request_id and attempt is logged already";
  }
  return problem.message;
}

// As the tables' owner; none where the source has no key.
std::vector<std::string> key_columns(std::int64_t import_id) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT coalesce(key_columns, '{}') FROM keypool.request_imports WHERE id = $1", import_id);
  if (rows.empty()) return {};
  const auto columns = rows.get<std::vector<std::string_view>>(0, 0);
  return std::vector<std::string>(columns.begin(), columns.end());
}

void list(const TriggerData& trigger, std::int64_t import_id, std::string_view reason) {
  const store::ImportSettings settings;
  std::vector<std::string> columns;
  {
    const pg::ActAs owner(store::catalog().owner);
    columns = key_columns(import_id);
  }
  std::vector<std::string> key;
  for (const std::string& column : columns) key.push_back(text_of(trigger, column.c_str()));
  const pg::ActAs owner(store::catalog().owner);
  store::list_followed_refusal(
      import_id, store::views(key.empty() ? store::SourceKey() : store::SourceKey(key)), reason);
}

// ---- the trigger ----

// Why the row was not copied, else nothing.
std::optional<std::string> copy_row(const TriggerData& trigger, std::int64_t import_id) {
  const store::ImportSettings settings;
  std::shared_ptr<store::ImportRule> rule;
  {
    const pg::ActAs owner(store::catalog().owner);
    rule = store::ImportRule::of(import_id);
  }
  std::vector<Oid> types;
  std::vector<pg::NullableValue> values;
  for (const std::string& column : rule->columns()) {
    const Value value = value_of(trigger, column.c_str());
    types.push_back(value.type);
    values.push_back(value.content);
  }
  const pg::ActAs owner(store::catalog().owner);
  return rule->apply(types, values);
}

// follow_request('import id') → trigger: after each row inserted into a source
Datum follow_request(const pg::Args& args) {
  FunctionCallInfo call_info = args.call_info();
  const auto* trigger = reinterpret_cast<const TriggerData*>(call_info->context);
  const bool fits = CALLED_AS_TRIGGER(call_info) && TRIGGER_FIRED_AFTER(trigger->tg_event) &&
                    TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
                    TRIGGER_FIRED_FOR_ROW(trigger->tg_event) && trigger->tg_trigger->tgnargs == 1;
  if (!fits) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "follow_request must be called by a trigger of import_requests()");
  }
  const std::int64_t import_id = std::strtoll(trigger->tg_trigger->tgargs[0], nullptr, 10);
  std::optional<std::string> reason;
  const auto problem = pg::subtransaction([&] { reason = copy_row(*trigger, import_id); });
  if (problem) reason = reason_of(*problem);
  if (!reason) return Datum{0};
  // Should that fail too, the warning remains.
  pg::subtransaction([&] { list(*trigger, import_id, *reason); });
  warn(*trigger, *reason);
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(follow_request, follow_request);

}  // namespace keypool::api
