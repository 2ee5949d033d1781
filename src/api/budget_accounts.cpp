// keypool.budget_accounts: the budgets' running sums as shared memory has them.
#include <optional>
#include <vector>

#include "core/budget_table.hpp"
#include "pg/entry.hpp"
#include "pg/lwlock.hpp"
#include "pg/result.hpp"
#include "store/budget_mirror.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// budget_accounts() → (budget_id, subject, spent_usd, reserved_usd)
Datum budget_accounts(const pg::Args& args) {
  core::Database& database = store::current_database();
  store::ensure_budgets(database, store::now());  // the periods of now
  std::vector<core::AccountFigures> accounts;
  {
    const pg::SharedGuard guard(store::budget_lock());
    store::budget_table().for_each(
        database, store::account_moment(database, store::now()),
        [&](const core::AccountFigures& account) { accounts.push_back(account); });
  }
  pg::RowSet rows(args);
  for (const core::AccountFigures& account : accounts) {
    // Of those that nobody has asked for since their period began, only the reservations matter.
    if (!account.is_current && account.reserved_nano == 0) continue;
    const auto spent =
        account.is_current ? std::optional(pg::Nanos{account.spent_nano}) : std::nullopt;
    rows.add(account.budget.id, account.subject_view(), spent, pg::Nanos{account.reserved_nano});
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(budget_accounts, budget_accounts);

}  // namespace keypool::api
