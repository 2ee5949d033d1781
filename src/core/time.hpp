// Time as the whole project counts it: microseconds since 2000-01-01 00:00 UTC, which is what
// Postgres's TimestampTz holds, so that no conversion stands between a table and shared memory.
#pragma once

#include <cstdint>
#include <limits>

namespace keypool::core {

using Micros = std::int64_t;

inline constexpr Micros kMillisecond = 1'000;
inline constexpr Micros kSecond = 1'000 * kMillisecond;
inline constexpr Micros kMinute = 60 * kSecond;
inline constexpr Micros kHour = 60 * kMinute;
inline constexpr Micros kDay = 24 * kHour;
inline constexpr Micros kNever = std::numeric_limits<Micros>::max();
// 1970-01-01 as seen from 2000-01-01; for facts that come as Unix time or HTTP dates.
inline constexpr Micros kUnixEpoch = -10'957 * kDay;

}  // namespace keypool::core
