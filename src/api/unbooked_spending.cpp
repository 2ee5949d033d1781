// keypool.unbooked_spending: what the budgets' books do not hold yet, for the views.
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"
#include "store/budget_books.hpp"
#include "store/catalog.hpp"
#include "store/unfolded.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

std::vector<store::BookedBudget> budgets() {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return store::open_budgets(session);
}

void add_rows(pg::RowSet& rows, const store::BudgetSums& sums) {
  sums.for_each([&rows](std::int64_t budget, std::string_view subject, core::Micros starts,
                        std::int64_t nano) {
    pg::check_interrupts();
    rows.add(budget, subject, pg::Instant{starts}, nano);
  });
}

// unbooked_spending() → budget_id, subject, period_start, spent_nano
Datum unbooked_spending(const pg::Args& args) {
  pg::RowSet rows(args);
  store::BudgetSums sums(budgets());
  if (sums.is_idle()) return rows.finish();
  store::visit_unfolded(store::kNoXid, [&](const store::RequestVersion& version, int sign) {
    if (sums.is_full()) {
      add_rows(rows, sums);
      sums.clear();
    }
    sums.add(version.dimensions.bucket, store::spender_of(version.dimensions),
             sign * store::charge_of(version.sums));
  });
  add_rows(rows, sums);
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(unbooked_spending, unbooked_spending);

}  // namespace keypool::api
