// How well requests are tracked: the rate, what to think of it, and what to do about it.
//
// The rate is the share of requests that carry an API key, in hundredths of a percent, rounded half
// up as the views round it. The limits of the statuses are part of the contract with people's
// dashboards; keypool.api_key_tracking_trend has the same ones. Pure; throws std::bad_alloc only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

struct TrackingFigures {
  std::int64_t requests = 0;
  std::int64_t with_key = 0;
  std::int64_t anonymous = 0;         // on purpose
  std::int64_t user_without_key = 0;  // the key got lost

  std::int64_t without_key() const noexcept { return requests - with_key; }
  std::int64_t without_both() const noexcept { return without_key() - user_without_key; }
  // Name neither user nor key, and nobody said that this is meant.
  std::int64_t unidentified() const noexcept { return without_both() - anonymous; }
  bool operator==(const TrackingFigures&) const = default;
};

using Percent = std::int64_t;  // in hundredths: 9524 is 95.24 %
inline constexpr Percent kPercent = 100;
inline constexpr Percent kTrackingOk = 90 * kPercent;
inline constexpr Percent kTrackingWarning = 70 * kPercent;

// 0 of nothing is 0.
Percent percent_of(std::int64_t part, std::int64_t whole) noexcept;
// Empty when there were no requests.
std::optional<Percent> tracking_rate(const TrackingFigures& figures) noexcept;

enum class TrackingStatus : std::uint8_t { kOk, kWarning, kCritical };
std::string_view name(TrackingStatus status) noexcept;
// No requests are no reason to worry.
TrackingStatus tracking_status(std::optional<Percent> rate) noexcept;

// 95.24
std::string percent_text(Percent percent);

// What to do, as sentences, each with the figure that calls for it. A class of less than one
// percent of the requests is passed over.
std::vector<std::string> tracking_advice(const TrackingFigures& figures);

}  // namespace keypool::core
