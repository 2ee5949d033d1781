// api_key_tracking_quality_report and api_key_tracking_trend_report: how well requests are tracked,
// and what to do about it, as one JSON document each.
//
// Read as the tables' owner, so that who may look at the views may call them.
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "core/tracking_report.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/tracking_figures.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
}

namespace keypool::api {

namespace {

std::int32_t length_argument(const pg::Args& args, const char* name, std::int32_t most) {
  const auto given = args.optional<std::int32_t>(0);
  if (given && *given >= 1 && *given <= most) return *given;
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string(name) + " must be between 1 and " + std::to_string(most),
                    "It is " + (given ? std::to_string(*given) : std::string("NULL")) + ".");
}

// api_key_tracking_quality_report(hours int)
Datum quality_report(const pg::Args& args) {
  const std::int32_t hours = length_argument(args, "hours", 168);
  const core::Micros end = GetCurrentTransactionStartTimestamp();  // now()
  const core::Micros start = end - hours * core::kHour;
  std::string document;
  {
    const pg::ActAs owner(store::catalog().owner);
    const store::ExactTracking found = store::tracked_between(start, end);
    pg::Session session;
    const pg::Rows ends = session.read("SELECT to_jsonb($1) #>> '{}', to_jsonb($2) #>> '{}'",
                                       pg::Instant{start}, pg::Instant{end});
    document =
        core::tracking_report(found.figures, found.unpriced,
                              {hours, ends.get<std::string>(0, 0), ends.get<std::string>(0, 1)});
  }
  return pg::to_datum(pg::Json{document});
}

// api_key_tracking_trend_report(days int)
Datum trend_report(const pg::Args& args) {
  const std::int32_t days = length_argument(args, "days", 30);
  std::string document;
  {
    const pg::ActAs owner(store::catalog().owner);
    const std::vector<core::TrackingDay> found = store::tracked_days(days);
    pg::Session session;
    const pg::Rows ends = session.read(
        "SELECT to_jsonb(current_date + 1 - $1) #>> '{}',"
        " to_jsonb(current_date) #>> '{}'",
        days);
    document = core::tracking_trend_report(
        found, {days, ends.get<std::string>(0, 0), ends.get<std::string>(0, 1)});
  }
  return pg::to_datum(pg::Json{document});
}

}  // namespace

KEYPOOL_FUNCTION(api_key_tracking_quality_report, quality_report);
KEYPOOL_FUNCTION(api_key_tracking_trend_report, trend_report);

}  // namespace keypool::api
