#include "store/budget_fold.hpp"

#include <algorithm>

#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

core::Micros last_fold_in(const pg::Rows& state) {
  if (state.empty()) return kEver;
  const auto at = state.optional<pg::Instant>(0, 0);
  return at ? at->value : kEver;
}

}  // namespace

BudgetFold::BudgetFold() {
  pg::Session session;
  std::vector<BookedBudget> budgets = open_budgets(session);
  if (budgets.empty()) return;
  let_go_of_steps(budgets,
                  last_fold_in(session.read("SELECT folded_at FROM keypool.rollup_state")));
  books_.emplace(budgets);
}

void BudgetFold::let_go_of_steps(std::vector<BookedBudget>& budgets, core::Micros last_fold) {
  const core::Micros now = GetCurrentTransactionStartTimestamp();
  for (BookedBudget& budget : budgets) {
    BudgetPeriods periods(budget.rule);
    if (!periods.is_rolling()) continue;
    const core::Micros oldest = periods.counts_from(now - core::kDay);
    budget.counts_from = std::max(budget.counts_from, oldest);
    if (last_fold != kEver && periods.counts_from(last_fold - core::kDay) == oldest) continue;
    ids_.push_back(budget.id);
    oldest_.push_back(oldest);
  }
}

void BudgetFold::close() {
  if (!books_) return;
  books_->close();
  if (ids_.empty()) return;
  pg::Session session;
  session.run(
      "DELETE FROM keypool.budget_spending s USING unnest($1, $2) AS o (budget_id, oldest)"
      " WHERE s.budget_id = o.budget_id AND s.period_start <"
      " timestamptz '2000-01-01 00:00+00' + o.oldest * interval '1 microsecond'",
      ids_, oldest_);
}

}  // namespace keypool::store
