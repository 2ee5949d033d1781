#include "store/budget_period.hpp"

#include <algorithm>

#include "core/request_tally.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/datetime.h"
}

namespace keypool::store {

namespace {

using core::BudgetPeriod;

// Postgres's calendar ends in the year 294276; what lies beyond belongs to its last years.
constexpr core::Micros kFirstMoment = MIN_TIMESTAMP + 366 * core::kDay;
constexpr core::Micros kLastMoment = END_TIMESTAMP - 366 * core::kDay;

// Null: there is none of that name.
pg_tz* find_zone(const std::string& name) {
  const char* text = name.c_str();
  return pg::call([text] { return pg_tzset(text); });
}

// Dates are Julian day numbers. From here on inside pg::call.

int first_date(BudgetPeriod kind, int date) {
  switch (kind) {
    case BudgetPeriod::kWeek:
      return date - (j2day(date) + 6) % 7;
    case BudgetPeriod::kMonth: {
      int year = 0;
      int month = 0;
      int day = 0;
      j2date(date, &year, &month, &day);
      return date2j(year, month, 1);
    }
    default:
      return date;
  }
}

// The first date after the unit that begins on `first`.
int next_date(BudgetPeriod kind, int first) {
  constexpr int kLongestMonth = 31;
  switch (kind) {
    case BudgetPeriod::kWeek:
      return first + 7;
    case BudgetPeriod::kMonth:
      return first_date(kind, first + kLongestMonth);
    default:
      return first + 1;
  }
}

int local_date(core::Micros at, pg_tz* zone) {
  struct pg_tm local = {};
  fsec_t fraction = 0;
  int offset = 0;
  if (timestamp2tm(at, &offset, &local, &fraction, nullptr, zone) != 0) {
    ereport(ERROR,
            (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  }
  return date2j(local.tm_year, local.tm_mon, local.tm_mday);
}

core::Micros midnight(int date, pg_tz* zone) {
  struct pg_tm local = {};
  j2date(date, &local.tm_year, &local.tm_mon, &local.tm_mday);
  local.tm_isdst = -1;
  int offset = DetermineTimeZoneOffset(&local, zone);
  Timestamp at = 0;
  if (tm2timestamp(&local, 0, &offset, &at) != 0) {
    ereport(ERROR,
            (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  }
  return at;
}

// The days, the week or the month that holds the instant. Where a clock that is put back shows
// midnight twice, the second one counts: what comes before it belongs to the day before.
PeriodRange dates_around(BudgetPeriod kind, core::Micros at, pg_tz* zone) {
  int first = first_date(kind, local_date(at, zone));
  core::Micros starts = midnight(first, zone);
  if (starts > at) {
    first = first_date(kind, first - 1);
    starts = midnight(first, zone);
  }
  return {starts, midnight(next_date(kind, first), zone)};
}

}  // namespace

bool is_time_zone(const std::string& name) { return find_zone(name) != nullptr; }

BudgetPeriods::BudgetPeriods(const PeriodRule& rule)
    : kind_(rule.kind), window_(rule.window), zone_(find_zone(rule.time_zone)) {
  if (zone_ == nullptr) zone_ = find_zone("GMT");
}

const PeriodRange& BudgetPeriods::holding(core::Micros at) {
  if (!last_.holds(at)) last_ = find(at);
  return last_;
}

core::Micros BudgetPeriods::counts_from(core::Micros at) {
  const core::Micros starts = holding(at).starts;
  if (!is_rolling()) return starts;
  return starts - (core::rolling_steps(window_) - 1) * core::rolling_step(window_);
}

PeriodRange BudgetPeriods::find(core::Micros at) const {
  switch (kind_) {
    case BudgetPeriod::kTotal:
      return {kEver, core::kNever};
    case BudgetPeriod::kRolling: {
      const core::Micros step = core::rolling_step(window_);
      const core::Micros starts =
          core::bucket_start(std::clamp(at, kFirstMoment, kLastMoment), step);
      return {starts, starts + step};
    }
    case BudgetPeriod::kHour:
      return clock_hour(at);
    default:
      return calendar_period(at);
  }
}

PeriodRange BudgetPeriods::calendar_period(core::Micros at) const {
  const core::Micros known = std::clamp(at, kFirstMoment, kLastMoment);
  return pg::call([=, this] { return dates_around(kind_, known, zone_); });
}

PeriodRange BudgetPeriods::clock_hour(core::Micros at) const {
  const core::Micros known = std::clamp(at, kFirstMoment, kLastMoment);
  const PeriodRange day =
      pg::call([=, this] { return dates_around(BudgetPeriod::kDay, known, zone_); });
  const core::Micros starts = known - (known - day.starts) % core::kHour;
  return {starts, std::min(starts + core::kHour, day.ends)};
}

}  // namespace keypool::store
