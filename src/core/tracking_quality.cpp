#include "core/tracking_quality.hpp"

#include <cstdio>
#include <cstdlib>

namespace keypool::core {

namespace {

constexpr Percent kWorthAWord = 1 * kPercent;

// `312 requests (12.48 %)`
std::string count_text(std::int64_t part, std::int64_t whole) {
  return std::to_string(part) + (part == 1 ? " request (" : " requests (") +
         percent_text(percent_of(part, whole)) + " %)";
}

}  // namespace

Percent percent_of(std::int64_t part, std::int64_t whole) noexcept {
  if (whole <= 0) return 0;
  // Wide enough for any count: the factor alone would overflow 64 bits at 4.6e14 requests.
  const auto doubled = static_cast<__int128>(part) * 2 * 100 * kPercent;
  return static_cast<Percent>((doubled + whole) / (static_cast<__int128>(whole) * 2));
}

std::optional<Percent> tracking_rate(const TrackingFigures& figures) noexcept {
  if (figures.requests <= 0) return std::nullopt;
  return percent_of(figures.with_key, figures.requests);
}

std::string_view name(TrackingStatus status) noexcept {
  constexpr std::string_view kNames[] = {"ok", "warning", "critical"};
  return kNames[static_cast<int>(status)];
}

TrackingStatus tracking_status(std::optional<Percent> rate) noexcept {
  if (!rate || *rate >= kTrackingOk) return TrackingStatus::kOk;
  return *rate >= kTrackingWarning ? TrackingStatus::kWarning : TrackingStatus::kCritical;
}

std::string percent_text(Percent percent) {
  const char* sign = percent < 0 ? "-" : "";
  const long long size = std::llabs(percent);
  char text[32];
  std::snprintf(text, sizeof text, "%s%lld.%02lld", sign, size / kPercent, size % kPercent);
  return text;
}

std::vector<std::string> tracking_advice(const TrackingFigures& figures) {
  std::vector<std::string> advice;
  const std::int64_t all = figures.requests;
  if (all <= 0) {
    advice.emplace_back(
        "No request was logged in this time: have the application call log_request() for each one, "
        "or insert it into keypool.chat_completion_requests.");
    return advice;
  }
  const auto worth_a_word = [all](std::int64_t part) {
    return percent_of(part, all) >= kWorthAWord;
  };
  if (worth_a_word(figures.user_without_key)) {
    advice.push_back(count_text(figures.user_without_key, all) +
                     " named a user but no key: log api_key_id, api_key or lease_id with them.");
  }
  if (worth_a_word(figures.unidentified())) {
    advice.push_back(count_text(figures.unidentified(), all) +
                     " named neither user nor key: log who made them, or say is_anonymous => true "
                     "where that is meant.");
  }
  if (worth_a_word(figures.anonymous)) {
    advice.push_back(count_text(figures.anonymous, all) +
                     " were anonymous on purpose: have their callers use a key; dev_key() gives "
                     "one for development.");
  }
  return advice;
}

}  // namespace keypool::core
