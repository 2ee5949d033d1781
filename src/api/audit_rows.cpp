// The row triggers that tell the audit log of changes made by plain SQL: keys, providers, webhooks,
// budgets and callers' limits. Which columns, and from what to what, except where a column is
// secret.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "api/audited.hpp"
#include "api/keys_guard.hpp"
#include "api/own_trigger.hpp"
#include "core/error.hpp"
#include "core/scrub.hpp"
#include "pg/entry.hpp"
#include "pg/guard.hpp"
#include "pg/scoped_settings.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
}

namespace keypool::api {

namespace {

constexpr std::size_t kMostOfAValue = 200;

constexpr std::array<std::string_view, 3> kSecretColumns = {"envelope", "fingerprint", "secret"};

// What a guard writes down for itself.
constexpr std::string_view kBookkeeping = "counts_from";

bool is_secret(std::string_view column) {
  return std::find(kSecretColumns.begin(), kSecretColumns.end(), column) != kSecretColumns.end();
}

std::string as_json(const std::string& text) {
  const char* source = text.c_str();
  return std::string(pg::call([source] {
    StringInfoData json;
    initStringInfo(&json);
    escape_json(&json, source);
    return json.data;
  }));
}

class Row {
 public:
  Row(HeapTuple tuple, TupleDesc type) : tuple_(tuple), type_(type) {}

  bool is_null(int number) const { return at(number).is_null; }

  // As text in JSON, or null; people paste secrets anywhere.
  std::string json(int number) const {
    const pg::NullableValue value = at(number);
    if (value.is_null) return "null";
    const Oid type = TupleDescAttr(type_, number - 1)->atttypid;
    std::string text = core::scrub(pg::call([value, type] {
      Oid output = InvalidOid;
      bool is_varlena = false;
      getTypeOutputInfo(type, &output, &is_varlena);
      return OidOutputFunctionCall(output, value.datum);
    }));
    core::cut_utf8(text, kMostOfAValue);
    return as_json(text);
  }

  bool same(int number, const Row& other) const {
    const pg::NullableValue mine = at(number);
    const pg::NullableValue his = other.at(number);
    if (mine.is_null || his.is_null) return mine.is_null == his.is_null;
    const FormData_pg_attribute* column = TupleDescAttr(type_, number - 1);
    return pg::call(
        [=] { return datum_image_eq(mine.datum, his.datum, column->attbyval, column->attlen); });
  }

  // Empty when there is no such column, or nothing in it.
  std::string text(const char* column) const {
    HeapTuple tuple = tuple_;
    TupleDesc type = type_;
    const char* value = pg::call([=] {
      const int number = SPI_fnumber(type, column);
      return number > 0 ? SPI_getvalue(tuple, type, number) : nullptr;
    });
    return value != nullptr ? value : "";
  }

 private:
  pg::NullableValue at(int number) const {
    HeapTuple tuple = tuple_;
    TupleDesc type = type_;
    return pg::call([=] {
      pg::NullableValue value = {};
      value.datum = heap_getattr(tuple, number, type, &value.is_null);
      return value;
    });
  }

  HeapTuple tuple_;
  TupleDesc type_;
};

// {"<member>": {"<column>": <each(number)>, …}}; empty when each() is, for every column.
template <typename Each>
std::string object_of(TupleDesc type, const char* member, Each each) {
  std::string columns;
  for (int number = 1; number <= type->natts; ++number) {
    const FormData_pg_attribute* column = TupleDescAttr(type, number - 1);
    const std::string_view name = NameStr(column->attname);
    const bool is_generated = column->attgenerated != '\0';
    if (column->attisdropped || is_generated || name == kBookkeeping) continue;
    const std::string value = each(number, name);
    if (value.empty()) continue;
    columns += (columns.empty() ? "" : ", ") + as_json(std::string(name)) + ": " + value;
  }
  if (columns.empty()) return {};
  return "{\"" + std::string(member) + "\": {" + columns + "}}";
}

std::string changes(TupleDesc type, const Row& before, const Row& after) {
  return object_of(type, "changed", [&](int number, std::string_view name) -> std::string {
    if (before.same(number, after)) return {};
    if (is_secret(name)) return "null";
    return "{\"old\": " + before.json(number) + ", \"new\": " + after.json(number) + "}";
  });
}

std::string contents(TupleDesc type, const char* member, const Row& row) {
  return object_of(type, member, [&](int number, std::string_view name) -> std::string {
    if (row.is_null(number) || is_secret(name)) return {};
    return row.json(number);
  });
}

// `insert_key`, or the function of ours that is at it.
std::string action_of(const TriggerData& trigger, const char* verb) {
  if (store::RunningAction::name() != nullptr) return store::RunningAction::name();
  return std::string(verb) + "_" + trigger.tg_trigger->tgargs[0];
}

void note_row(const TriggerData& trigger, const char* verb, const Row& row, std::string details) {
  const std::string_view noun = trigger.tg_trigger->tgargs[0];
  const std::string id = row.text("id");
  const bool is_key = noun == "key";
  std::string provider;
  if (is_key) provider = row.text("provider");
  if (noun == "provider") provider = row.text("name");
  if (!is_key && !id.empty() && details.starts_with("{\"changed\"")) {
    details.insert(1, "\"id\": " + as_json(id) + ", ");
  }
  store::note_row_audit({.action = action_of(trigger, verb),
                         .key_id = is_key ? std::stoll(id) : 0,
                         .provider = provider,
                         .details = std::move(details)});
}

// What a function of ours does to a key it tells itself, but for edits of limits and names.
bool is_told_elsewhere(const TriggerData& trigger) {
  if (RelationGetRelid(trigger.tg_relation) != store::catalog().api_keys) return false;
  if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) return Unguarded::any();
  return store::RunningAction::name() != nullptr;
}

// note_row_change('key', …) → trigger: after each row that is written or deleted, and each TRUNCATE
Datum note_row_change(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "note_row_change");
  if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    store::note_row_audit(
        {.action = action_of(trigger, "truncate"), .key_id = 0, .provider = {}, .details = {}});
    return Datum{0};
  }
  if (is_told_elsewhere(trigger)) return Datum{0};
  // Moments are told alike, whatever the session is used to.
  const pg::ScopedSettings format({{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}});
  TupleDesc type = RelationGetDescr(trigger.tg_relation);
  const Row row(trigger.tg_trigtuple, type);
  if (TRIGGER_FIRED_BY_INSERT(trigger.tg_event)) {
    note_row(trigger, "insert", row, contents(type, "new", row));
  } else if (TRIGGER_FIRED_BY_DELETE(trigger.tg_event)) {
    note_row(trigger, "delete", row, contents(type, "old", row));
  } else {
    std::string details = changes(type, row, Row(trigger.tg_newtuple, type));
    if (!details.empty()) note_row(trigger, "update", row, std::move(details));
  }
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(note_row_change, note_row_change);

}  // namespace keypool::api
