#include "core/phrases.hpp"

#include <algorithm>
#include <cstdio>

namespace keypool::core {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", share * 100);
  return text;
}

std::string plural(std::int64_t count, std::string_view noun) {
  std::string text = std::to_string(count);
  return text.append(" ").append(noun).append(count == 1 ? "" : "s");
}

std::string duration(Micros time) {
  if (time >= 2 * kDay) return plural(time / kDay, "day");
  if (time >= 2 * kHour) return plural(time / kHour, "hour");
  if (time >= 2 * kMinute) return plural(time / kMinute, "minute");
  return plural(time / kSecond, "second");
}

std::int64_t seconds_until(Micros then, Micros now) {
  return std::max<Micros>(0, then - now + kSecond - 1) / kSecond;
}

}  // namespace keypool::core
