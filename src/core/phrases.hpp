// Figures as people say them, for messages that say how much and how long.
//
// Pure functions; throw nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/time.hpp"

namespace keypool::core {

std::string percent(double share);  // 0.333 is "33.3 %"
std::string plural(std::int64_t count, std::string_view noun);
// In the largest unit of which there are two: 90 seconds, 25 hours, 9 days.
std::string duration(Micros time);
// Rounded up, never below 0.
std::int64_t seconds_until(Micros then, Micros now);

}  // namespace keypool::core
