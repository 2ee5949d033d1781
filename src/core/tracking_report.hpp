// The two reports on tracking quality as JSON documents.
//
// Their keys and nesting are part of the contract with those who read them. A percentage is a
// number with two decimals, or null where there was nothing to measure. Pure; throws std::bad_alloc
// only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tracking_quality.hpp"

namespace keypool::core {

// The ends as JSON is to show them.
struct TrackingWindow {
  std::int32_t length;  // hours, or days
  std::string start;
  std::string end;
};

// `unpriced`: how many requests of the window's days have no known cost.
std::string tracking_report(const TrackingFigures& figures, std::int64_t unpriced,
                            const TrackingWindow& window);

struct TrackingDay {
  std::string day;
  std::int32_t age;  // in days, today is 0
  TrackingFigures figures;
};

// Days in the order in which they are to be shown; those without a request are left out.
std::string tracking_trend_report(const std::vector<TrackingDay>& days,
                                  const TrackingWindow& window);

}  // namespace keypool::core
