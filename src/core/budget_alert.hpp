// The alerts on budgets: that one is much used up, and that one is spent.
//
// budget_warning is raised at the share of the limit that keypool.cost_alert says, unless the
// budget is spent already, and kept until a tenth below that. budget_spent is raised when nothing
// is left. A budget that refuses requests never spends its last cent, since the next request would
// carry it past; so it counts as spent with a thousandth left. What leases have reserved raises
// nothing, as most of it comes back, but keeps open what was raised. Each budget and subject has
// alerts of its own.
//
// Pure; throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/alert_words.hpp"

namespace keypool::core {

// Below this share of the limit, spent and reserved, a budget keeps no alert open.
double least_telling_share(double share) noexcept;

// Of the alerts that should be open for it; `index` is its place in the facts.
std::vector<Cause> judge_budget(const BudgetFact& budget, std::size_t index, const OpenAlerts& open,
                                double share);

// `budget:3/user:u1`, or `budget:3` where the scope knows nobody in particular.
std::string subject_of(const BudgetFact& budget);

AlertText describe_budget(AlertKind kind, const BudgetFact& budget, double share, Micros now);

}  // namespace keypool::core
