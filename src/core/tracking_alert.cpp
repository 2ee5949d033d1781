#include "core/tracking_alert.hpp"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace keypool::core {

std::optional<Cause> judge_tracking(const TrackingFigures& figures, const OpenAlerts& open) {
  const auto rate = tracking_rate(figures);
  const TrackingStatus status = tracking_status(rate);
  Strength strength = Strength::kNone;
  if (status != TrackingStatus::kOk && figures.requests >= kFewestTracked) {
    strength = Strength::kRaises;
  } else if (rate && *rate < kTrackingOver) {
    strength = Strength::kKeeps;
  }
  const Severity severity =
      status == TrackingStatus::kCritical ? Severity::kCritical : Severity::kWarning;
  AlertIdentity identity{AlertKind::kTrackingQuality, "tracking"};
  const auto shown = severity_to_show(open, identity, strength, severity);
  if (!shown) return std::nullopt;
  return Cause{std::move(identity), *shown, kNoIndex, kNoIndex, kNoIndex};
}

AlertText describe_tracking(const TrackingFigures& figures) {
  const Percent rate = percent_of(figures.with_key, figures.requests);
  const bool critical = tracking_status(rate) == TrackingStatus::kCritical;
  const Percent limit = critical ? kTrackingWarning : kTrackingOk;
  constexpr Micros kHours = kTrackingSpan / kHour;
  AlertText text;
  text.message =
      "only " + percent_text(rate) + " % of the requests of the last " + std::to_string(kHours) +
      " hours carried an API key: " + std::to_string(figures.without_key()) + " of " +
      std::to_string(figures.requests) + " did not (" + std::to_string(figures.user_without_key) +
      " named a user, " + std::to_string(figures.unidentified()) + " neither user nor key, " +
      std::to_string(figures.anonymous) + " were anonymous on purpose)";
  text.details = nlohmann::json{{"hours", kHours},
                                {"requests", figures.requests},
                                {"with_key", figures.with_key},
                                {"user_without_key", figures.user_without_key},
                                {"neither_user_nor_key", figures.unidentified()},
                                {"anonymous", figures.anonymous},
                                {"tracking_rate_percent", static_cast<double>(rate) / kPercent},
                                {"limit_percent", limit / kPercent}}
                     .dump();
  return text;
}

}  // namespace keypool::core
