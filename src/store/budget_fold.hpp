// The books of all budgets while the log is folded (store/fold.cpp).
//
// Loads the budgets once, with the active snapshot; where there are none, that is all it costs.
// What the oldest steps of rolling windows held is let go of a day after it stopped counting, since
// a transaction may look at the budgets with a now() that is as old as itself. Needs what
// BudgetBooks needs.
#pragma once

#include <vector>

#include "core/request_tally.hpp"
#include "store/budget_books.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

class BudgetFold {
 public:
  BudgetFold();

  // sign: as visit_unfolded has it.
  void add(const core::RequestDimensions& of, const core::RequestSums& sums, int sign) {
    if (books_) [[unlikely]]
      books_->add(of.bucket, spender_of(of), sign * charge_of(sums));
  }
  void close();

 private:
  void let_go_of_steps(std::vector<BookedBudget>& budgets, core::Micros last_fold);

  std::optional<BudgetBooks> books_;
  // Rolling budgets that let go of a step since the last fold, and up to where.
  std::vector<std::int64_t> ids_;
  std::vector<std::int64_t> oldest_;
};

}  // namespace keypool::store
