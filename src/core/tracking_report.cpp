#include "core/tracking_report.hpp"

#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

namespace keypool::core {

namespace {

using Json = nlohmann::json;

// A change of the rate that is worth a word.
constexpr Percent kShift = 2 * kPercent;

Json number(Percent percent) { return static_cast<double>(percent) / kPercent; }

Json number(std::optional<Percent> percent) { return percent ? number(*percent) : Json(nullptr); }

// What both reports, and each day of the second, say of some requests.
Json quality_of(const TrackingFigures& figures) {
  const auto rate = tracking_rate(figures);
  return {{"total_requests", figures.requests},
          {"requests_with_api_key", figures.with_key},
          {"requests_without_api_key", figures.without_key()},
          {"tracking_rate_percent", number(rate)},
          {"alert_status", name(tracking_status(rate))}};
}

Json day_of(const TrackingDay& day) {
  Json document = quality_of(day.figures);
  document["day"] = day.day;
  document["anonymous_requests"] = day.figures.anonymous;
  document["potential_lookup_failures"] = day.figures.without_key() - day.figures.anonymous;
  return document;
}

void add(TrackingFigures& sum, const TrackingFigures& part) {
  sum.requests += part.requests;
  sum.with_key += part.with_key;
  sum.anonymous += part.anonymous;
  sum.user_without_key += part.user_without_key;
}

// The rate of the older and of the newer half of the days; the one in the middle is in neither.
struct Shift {
  std::optional<Percent> earlier;
  std::optional<Percent> later;
  std::optional<Percent> points() const {
    return earlier && later ? std::optional(*later - *earlier) : std::nullopt;
  }
};

Shift shift_of(const std::vector<TrackingDay>& days, std::int32_t length) {
  const std::int32_t half = length / 2;
  TrackingFigures earlier, later;
  for (const TrackingDay& day : days) {
    if (day.age < half) add(later, day.figures);
    if (day.age >= length - half) add(earlier, day.figures);
  }
  return {tracking_rate(earlier), tracking_rate(later)};
}

// What the days say that their sum does not.
std::vector<std::string> trend_advice(const std::vector<TrackingDay>& days, const Shift& shift) {
  std::vector<std::string> advice;
  if (const auto points = shift.points(); points && *points <= -kShift) {
    advice.push_back("The tracking rate fell from " + percent_text(*shift.earlier) + " % to " +
                     percent_text(*shift.later) +
                     " % between the first and the last half of these days: look at what was "
                     "released or connected meanwhile.");
  }
  const TrackingDay* worst = nullptr;
  for (const TrackingDay& day : days) {
    if (worst == nullptr || *tracking_rate(day.figures) < *tracking_rate(worst->figures)) {
      worst = &day;
    }
  }
  if (worst == nullptr || days.size() < 2) return advice;
  const Percent rate = *tracking_rate(worst->figures);
  if (tracking_status(rate) == TrackingStatus::kOk) return advice;
  advice.push_back("The worst day was " + worst->day + " with " + percent_text(rate) + " % of " +
                   std::to_string(worst->figures.requests) + " requests tracked.");
  return advice;
}

}  // namespace

std::string tracking_report(const TrackingFigures& figures, std::int64_t unpriced,
                            const TrackingWindow& window) {
  Json document = quality_of(figures);
  const auto share = [&](std::int64_t part) {
    return figures.requests > 0 ? number(percent_of(part, figures.requests)) : Json(nullptr);
  };
  document["breakdown"] = {{"null_key_with_valid_user", figures.user_without_key},
                           {"null_key_with_valid_user_percent", share(figures.user_without_key)},
                           {"both_null_likely_anonymous", figures.without_both()},
                           {"both_null_percent", share(figures.without_both())}};
  document["time_window"] = {
      {"hours", window.length}, {"start_time", window.start}, {"end_time", window.end}};
  std::vector<std::string> advice = tracking_advice(figures);
  if (figures.requests > 0 && unpriced > 0) {
    advice.push_back("The cost of " + std::to_string(unpriced) +
                     (unpriced == 1 ? " request" : " requests") +
                     " of these days (UTC) is not known: add what keypool.pricing_quality lists to "
                     "keypool.model_prices, then call backfill_requests().");
  }
  document["recommendations"] = std::move(advice);
  return document.dump();
}

std::string tracking_trend_report(const std::vector<TrackingDay>& days,
                                  const TrackingWindow& window) {
  TrackingFigures all;
  Json list = Json::array();
  for (const TrackingDay& day : days) {
    add(all, day.figures);
    list.push_back(day_of(day));
  }
  const Shift shift = shift_of(days, window.length);
  Json document = quality_of(all);
  document["days"] = std::move(list);
  document["change"] = {{"first_half_percent", number(shift.earlier)},
                        {"last_half_percent", number(shift.later)},
                        {"percentage_points", number(shift.points())}};
  document["time_window"] = {
      {"days", window.length}, {"start_day", window.start}, {"end_day", window.end}};
  std::vector<std::string> advice = trend_advice(days, shift);
  for (std::string& sentence : tracking_advice(all)) advice.push_back(std::move(sentence));
  document["recommendations"] = std::move(advice);
  return document.dump();
}

}  // namespace keypool::core
