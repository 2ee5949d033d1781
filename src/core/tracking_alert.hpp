// The alert on tracking quality: when too many of the last day's requests carry no API key.
//
// Raised below the limits of tracking_quality.hpp, once there are enough requests to speak of a
// rate; kept until the rate is a little above the first of them, so that it does not come and go
// with every request. Pure; throws nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <optional>

#include "core/alert_rules.hpp"
#include "core/alert_words.hpp"
#include "core/time.hpp"
#include "core/tracking_quality.hpp"

namespace keypool::core {

inline constexpr Micros kTrackingSpan = 24 * kHour;
inline constexpr std::int64_t kFewestTracked = 20;  // fewer requests say nothing about a rate
inline constexpr Percent kTrackingOver = kTrackingOk + 1 * kPercent;

// Empty: no alert should be open.
std::optional<Cause> judge_tracking(const TrackingFigures& figures, const OpenAlerts& open);

AlertText describe_tracking(const TrackingFigures& figures);

}  // namespace keypool::core
