// Brings the committed budgets into shared memory, and the sums of their spending.
//
// A budget is read again when a commit changed some, or when a period is over; a sum when it is
// asked for the first time, in a new period, or after its books were changed. The books
// (keypool.budget_spending) and the tail of the log that is not folded are read in one snapshot;
// whoever settles meanwhile adds to the sum exactly what that snapshot has not seen. The caller's
// own uncommitted changes are not seen. Needs a transaction; throws PgError, and
// kConfigurationLimit when there are more budgets or accounts than shared memory has room for.
#pragma once

#include <string_view>

#include "core/budget_table.hpp"
#include "core/pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Whose sums are wanted: the subject of one scope.
struct BudgetOwner {
  core::BudgetScope scope;
  std::string_view subject;
};

// Brings the mirror up to date if what shared memory has of the budgets is not what is committed.
void ensure_budgets(core::Database& database, core::Micros now);

// What makes an account of this database good enough now.
core::AccountMoment account_moment(const core::Database& database, core::Micros now) noexcept;

// Loads those accounts of these owners that are missing or out of date.
void load_accounts(core::Database& database, std::span<const BudgetOwner> owners);

}  // namespace keypool::store
