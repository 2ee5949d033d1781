// A budget's refusal in words: which limit, how much of it is spent and reserved, and when it
// resets. Needs a transaction.
#pragma once

#include <string>
#include <string_view>

#include "core/budget_table.hpp"
#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// One line: `budget 3 "team" of user "u1": $9.80 spent and $0.15 reserved of $10 a day, until …`.
std::string budget_objection(const core::AccountFigures& figures, std::int64_t wanted_nano,
                             bool unknown_cost);

// KP002.
core::Error budget_refusal(const core::AccountFigures& figures, std::int64_t wanted_nano,
                           bool unknown_cost, std::string_view provider, std::string_view model);

}  // namespace keypool::store
