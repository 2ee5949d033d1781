// The books of the budgets: keypool.budget_spending, what was spent as of the mark up to which the
// log is folded, by budget, subject and period.
//
// Who writes holds the fold's lock (lock_rollups in store/fold.hpp) and acts as the tables' owner;
// needs a transaction and an active snapshot. Throws PgError, and Error when a sum leaves 64 bits.
#pragma once

#include <optional>
#include <vector>

#include "pg/spi.hpp"
#include "store/budget_charges.hpp"
#include "store/budget_sums.hpp"
#include "store/rollup_table.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Budgets whose books are open, enabled or not, as the active snapshot has them.
std::vector<BookedBudget> open_budgets(pg::Session& session);
// Those whose books are to be opened, as this transaction has them. counts_from is not set.
std::vector<BookedBudget> unopened_budgets(pg::Session& session);

// Adds to the books of these budgets. The table is not touched where nothing is to be added.
class BudgetBooks {
 public:
  explicit BudgetBooks(const std::vector<BookedBudget>& budgets) : sums_(budgets) {}

  bool is_idle() const noexcept { return sums_.is_idle(); }
  void add(core::Micros at, const core::Spender& spender, std::int64_t nano);
  // Nothing is written for good before.
  void close();

 private:
  static constexpr int kKeys = 3;

  void write();
  void write(std::int64_t budget, std::string_view subject, core::Micros starts, std::int64_t nano);

  BudgetSums sums_;
  std::optional<RollupTable> table_;
  MemoryContext key_memory_ = nullptr;
};

}  // namespace keypool::store
