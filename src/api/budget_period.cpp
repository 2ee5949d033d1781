// keypool.budget_period, keypool.budget_counts_from: the periods of a budget as SQL sees them.
#include <array>
#include <string>

#include "core/budget.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "store/budget_period.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

store::BudgetPeriods periods_of(const pg::Args& args) {
  const auto named = args.get<std::string_view>(0);
  const auto kind = core::budget_period_from_name(named);
  if (!kind) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "unknown period: \"" + std::string(named) + "\"",
                      "The periods are hour, day, week, month, total and rolling.");
  }
  const auto window = args.optional<pg::Duration>(1);
  const bool is_rolling = *kind == core::BudgetPeriod::kRolling;
  if (is_rolling && (!window || window->value <= 0)) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "a rolling budget needs a window", {},
                      "Give rolling_window, such as '24 hours'.");
  }
  return store::BudgetPeriods({.kind = *kind,
                               .window = is_rolling ? window->value : 0,
                               .time_zone = args.get<std::string>(2)});
}

// budget_period(period, rolling_window, time_zone, at) → starts, ends
Datum budget_period(const pg::Args& args) {
  store::BudgetPeriods periods = periods_of(args);
  const store::PeriodRange& range = periods.holding(args.get<pg::Instant>(3).value);
  return pg::record(args, pg::Instant{range.starts}, pg::Instant{range.ends});
}

// budget_counts_from(period, rolling_window, time_zone, at) → timestamptz
Datum budget_counts_from(const pg::Args& args) {
  store::BudgetPeriods periods = periods_of(args);
  return pg::to_datum(pg::Instant{periods.counts_from(args.get<pg::Instant>(3).value)});
}

}  // namespace

KEYPOOL_FUNCTION(budget_period, budget_period);
KEYPOOL_FUNCTION(budget_counts_from, budget_counts_from);

}  // namespace keypool::api
