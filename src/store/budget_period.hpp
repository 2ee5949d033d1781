// The periods of a budget: hours, days, weeks (from Monday on) and months of a time zone, all time,
// or the steps of a rolling window.
//
// The one definition of them, by Postgres's own tables of time zones. Days begin at midnight, or
// where a clock that is put forward skips it at the first moment after; hours are counted from
// there. So every instant belongs to exactly one period, and starts and ends are those that
// date_trunc() gives in that time zone, but on the days of a clock change that is no whole hour or
// comes at midnight. One thread. Everything throws PgError.
//
// Who writes a budget is refused a time zone that there is not (is_time_zone). One that the server
// has lost since, as by an upgrade of its time zone data, counts as UTC: neither folding nor
// picking may end for that.
#pragma once

#include <limits>
#include <string>

#include "core/budget.hpp"
#include "core/time.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "pgtime.h"
}

namespace keypool::store {

// '-infinity' as timestamptz has it; 'infinity' is core::kNever.
inline constexpr core::Micros kEver = std::numeric_limits<core::Micros>::min();

// What a budget says of its periods.
struct PeriodRule {
  core::BudgetPeriod kind;
  core::Micros window;  // of a rolling one, else 0
  std::string time_zone;

  bool operator==(const PeriodRule&) const = default;
};

struct PeriodRange {
  core::Micros starts;
  core::Micros ends;  // the first instant after it

  bool holds(core::Micros at) const noexcept { return at >= starts && at < ends; }
};

bool is_time_zone(const std::string& name);

class BudgetPeriods {
 public:
  explicit BudgetPeriods(const PeriodRule& rule);

  // The period that holds the instant. The last answer is remembered, so that to ask again for the
  // same period costs next to nothing.
  const PeriodRange& holding(core::Micros at);

  // The start of the first period whose spending counts at that instant: of a rolling window the
  // oldest step, else the running period.
  core::Micros counts_from(core::Micros at);

  bool is_rolling() const noexcept { return kind_ == core::BudgetPeriod::kRolling; }

 private:
  PeriodRange find(core::Micros at) const;
  PeriodRange calendar_period(core::Micros at) const;
  PeriodRange clock_hour(core::Micros at) const;

  core::BudgetPeriod kind_;
  core::Micros window_;
  pg_tz* zone_;
  PeriodRange last_ = {0, 0};
};

}  // namespace keypool::store
