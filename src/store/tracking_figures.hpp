// How requests were tracked in a span of time: read from the rollups and the tail, in one snapshot.
//
// Each function needs a transaction with an active snapshot that acts as the tables' owner; throws
// PgError.
#pragma once

#include <cstdint>
#include <vector>

#include "core/time.hpp"
#include "core/tracking_quality.hpp"
#include "core/tracking_report.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Of the quarters of an hour that hold `first` and `last`, and all between: cheap, whatever was
// logged.
core::TrackingFigures tracked_about(core::Micros first, core::Micros last);

struct ExactTracking {
  core::TrackingFigures figures;
  std::int64_t unpriced;  // requests of the span's UTC days whose cost is not known
};
// Of exactly the requests from `start` to `end`, both included. Reads what is left of the first and
// last quarter of an hour from the log.
ExactTracking tracked_between(core::Micros start, core::Micros end);

// Of the last so many days of the session's time zone that have requests, today first.
std::vector<core::TrackingDay> tracked_days(std::int32_t days);

}  // namespace keypool::store
