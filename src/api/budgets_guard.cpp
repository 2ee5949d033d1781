// The trigger before each row of keypool.budgets that is written: what a budget is about must be
// there, under the name that the log has for it, and its books are opened anew when it counts
// something else. api/budgets_changed.cpp does the rest.
#include <charconv>
#include <optional>
#include <string>

#include "api/own_trigger.hpp"
#include "api/provider_names.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/budget_period.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/tuple.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/sysattr.h"
#include "nodes/bitmapset.h"
}

namespace keypool::api {

namespace {

namespace column = store::budget_column;

struct WrittenBudget {
  std::string_view scope;
  std::string_view scope_id;
  std::string_view time_zone;
};

WrittenBudget read(HeapTuple tuple, TupleDesc description) {
  return pg::call([=] {
    const store::Tuple row(tuple, description);
    return WrittenBudget{row.text(column::kScope), row.text(column::kScopeId),
                         row.text(column::kTimeZone)};
  });
}

void check_time_zone(std::string_view name) {
  if (store::is_time_zone(std::string(name))) return;
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    "time zone \"" + std::string(name) + "\" not recognized", {},
                    "SELECT name FROM pg_timezone_names lists the time zones.");
}

std::string key_named(std::string_view text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "scope_id of a budget for a key must be the key's id or '*'",
                      "It is \"" + std::string(text) + "\".",
                      "See keypool.api_keys_overview for the keys there are.");
  }
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  if (session.read("SELECT FROM keypool.api_keys WHERE id = $1", id).empty()) {
    throw core::Error(core::ErrorCode::kUndefinedKey,
                      "key " + std::to_string(id) + " does not exist", {},
                      "See keypool.api_keys_overview for the keys there are.");
  }
  return std::to_string(id);
}

// The scope_id as it is to be written, if it is to be another one.
std::optional<std::string> canonical(const WrittenBudget& budget) {
  if (budget.scope_id.empty() || budget.scope_id == "*") return std::nullopt;
  if (budget.scope == "provider") return ProviderNames().find(budget.scope_id).name;
  if (budget.scope == "key") return key_named(budget.scope_id);
  return std::nullopt;
}

// Whether the statement sets one of the columns that say what is counted. To their old values too:
// that is how the books are opened anew on purpose.
bool redefines(const TriggerData& trigger) {
  if (!TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) return true;
  for (const AttrNumber number : {column::kId, column::kScope, column::kScopeId, column::kPeriod,
                                  column::kRollingWindow, column::kTimeZone}) {
    if (bms_is_member(number - FirstLowInvalidHeapAttributeNumber, trigger.tg_updatedcols)) {
      return true;
    }
  }
  return false;
}

pg::NullableValue attribute(HeapTuple tuple, TupleDesc description, int number) {
  pg::NullableValue value = {};
  value.datum = heap_getattr(tuple, number, description, &value.is_null);
  return value;
}

// Nobody but the opening of books says where these begin.
pg::NullableValue counts_from(const TriggerData& trigger, TupleDesc description) {
  if (redefines(trigger)) return {Datum{0}, true};
  const pg::NullableValue before =
      attribute(trigger.tg_trigtuple, description, column::kCountsFrom);
  return before.is_null ? attribute(trigger.tg_newtuple, description, column::kCountsFrom) : before;
}

// A row that says where its books begin comes out of a dump, which may be restored in any order; it
// was checked where it was written first, as replicated rows were.
bool was_checked(const TriggerData& trigger, HeapTuple tuple, TupleDesc description) {
  if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA) return true;
  if (!redefines(trigger)) return true;
  return !TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) &&
         pg::call([=] { return !attribute(tuple, description, column::kCountsFrom).is_null; });
}

// guard_budget() → trigger: before each inserted or updated row of keypool.budgets
Datum guard_budget(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "guard_budget");
  const TupleDesc description = RelationGetDescr(trigger.tg_relation);
  const HeapTuple tuple =
      TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) ? trigger.tg_newtuple : trigger.tg_trigtuple;
  std::optional<std::string> scope_id;
  if (!was_checked(trigger, tuple, description)) {
    const WrittenBudget budget = read(tuple, description);
    check_time_zone(budget.time_zone);
    scope_id = canonical(budget);
  }
  const HeapTuple written = pg::call([&] {
    int numbers[] = {column::kCountsFrom, column::kScopeId};
    const pg::NullableValue from = counts_from(trigger, description);
    Datum values[] = {from.datum, Datum{0}};
    bool nulls[] = {from.is_null, false};
    if (scope_id) values[1] = pg::pack(*scope_id).datum;
    return heap_modify_tuple_by_cols(tuple, description, scope_id ? 2 : 1, numbers, values, nulls);
  });
  return PointerGetDatum(written);
}

}  // namespace

KEYPOOL_FUNCTION(guard_budget, guard_budget);

}  // namespace keypool::api
