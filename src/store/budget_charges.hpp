// What a request of the log is charged to budgets, and to whose.
#pragma once

#include "core/budget.hpp"
#include "core/pending_usage.hpp"
#include "core/pool.hpp"
#include "core/request_tally.hpp"
#include "store/request_usage.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

core::Spender spender_of(const core::RequestDimensions& dimensions) noexcept;
// Nano-dollars: the cost where it is known, keypool.unknown_request_cost for each that is not.
std::int64_t charge_of(const core::RequestSums& sums) noexcept;
std::int64_t unknown_cost_nano() noexcept;

// Adds what every budget of this database is charged for the request to what is pending; nothing
// when there is no budget. `sign`: -1 for a row that is there no more.
void charge_budgets(const core::Database& database, core::PendingUsage& pending, int level,
                    const LoggedRequest& request, int sign);

}  // namespace keypool::store
