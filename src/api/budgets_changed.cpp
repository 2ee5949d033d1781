// The trigger after each row of keypool.budgets that was written, and after TRUNCATE: opens and
// closes books, and has every session load its running sums anew when the transaction commits.
#include <optional>

#include "api/own_trigger.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/budget_opening.hpp"
#include "store/catalog.hpp"
#include "store/coherence.hpp"
#include "store/columns.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

namespace column = store::budget_column;

struct BudgetRow {
  std::int64_t id;
  bool is_open;
};

BudgetRow read(HeapTuple tuple, TupleDesc description) {
  return pg::call([=] {
    bool is_null = false;
    const Datum id = heap_getattr(tuple, column::kId, description, &is_null);
    heap_getattr(tuple, column::kCountsFrom, description, &is_null);
    return BudgetRow{DatumGetInt64(id), !is_null};
  });
}

// The first row of a statement opens the books of all.
bool is_opened_by_now(std::int64_t budget) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return session.run("SELECT FROM keypool.budgets WHERE id = $1 AND counts_from IS NULL", budget)
      .empty();
}

void follow(const TriggerData& trigger) {
  const TupleDesc description = RelationGetDescr(trigger.tg_relation);
  const BudgetRow row = read(trigger.tg_trigtuple, description);
  if (TRIGGER_FIRED_BY_DELETE(trigger.tg_event)) return store::close_books(row.id);
  const BudgetRow now =
      TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) ? read(trigger.tg_newtuple, description) : row;
  if (row.id != now.id) store::close_books(row.id);
  if (!now.is_open && !is_opened_by_now(now.id)) store::open_books();
}

Datum budgets_changed(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "budgets_changed");
  if (TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    follow(trigger);
  } else {
    store::close_books(std::nullopt);
  }
  store::mark_budgets_changed();
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(budgets_changed, budgets_changed);

}  // namespace keypool::api
