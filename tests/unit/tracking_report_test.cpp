#include "core/tracking_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace keypool::core {
namespace {

using Json = nlohmann::json;

Json report(const TrackingFigures& figures, std::int64_t unpriced = 0) {
  return Json::parse(tracking_report(figures, unpriced, {24, "then", "now"}));
}

Json trend(const std::vector<TrackingDay>& days, std::int32_t length) {
  return Json::parse(tracking_trend_report(days, {length, "first", "last"}));
}

TEST(TrackingReport, HasTheKeysOfTheContractAndNoOthers) {
  const Json document =
      report({.requests = 3, .with_key = 1, .anonymous = 1, .user_without_key = 1});
  Json expected = R"({
    "total_requests": 3, "requests_with_api_key": 1, "requests_without_api_key": 2,
    "tracking_rate_percent": 33.33, "alert_status": "critical",
    "breakdown": {"null_key_with_valid_user": 1, "null_key_with_valid_user_percent": 33.33,
                  "both_null_likely_anonymous": 1, "both_null_percent": 33.33},
    "time_window": {"hours": 24, "start_time": "then", "end_time": "now"}})"_json;
  expected["recommendations"] = document["recommendations"];
  EXPECT_EQ(document, expected);
  EXPECT_EQ(document["recommendations"].size(), 2u);
}

TEST(TrackingReport, WithoutRequestsHasNoRateAndSaysWhatToDo) {
  const Json document = report({}, 7);
  EXPECT_TRUE(document["tracking_rate_percent"].is_null());
  EXPECT_TRUE(document["breakdown"]["both_null_percent"].is_null());
  EXPECT_EQ(document["alert_status"], "ok");
  EXPECT_EQ(document["recommendations"].size(), 1u);
}

TEST(TrackingReport, AsksForPricesWhereTheyAreMissing) {
  EXPECT_EQ(report({.requests = 5, .with_key = 5})["recommendations"], Json::array());
  const std::string advice = report({.requests = 5, .with_key = 5}, 1)["recommendations"][0];
  EXPECT_EQ(advice.rfind("The cost of 1 request of these days (UTC) is not known", 0), 0u);
}

TEST(TrackingTrend, AddsUpItsDaysAndComparesTheHalves) {
  const Json document = trend({{"d4", 0, {.requests = 100, .with_key = 80}},
                               {"d3", 1, {.requests = 100, .with_key = 90}},
                               {"d2", 2, {.requests = 100, .with_key = 1}},
                               {"d1", 3, {.requests = 100, .with_key = 95}},
                               {"d0", 4, {.requests = 100, .with_key = 99}}},
                              5);
  EXPECT_EQ(document["total_requests"], 500);
  EXPECT_EQ(document["tracking_rate_percent"], 73.0);
  EXPECT_EQ(document["alert_status"], "warning");
  // The day in the middle belongs to neither half.
  EXPECT_EQ(document["change"], R"({"first_half_percent": 97.0, "last_half_percent": 85.0,
                                    "percentage_points": -12.0})"_json);
  EXPECT_EQ(document["time_window"],
            R"({"days": 5, "start_day": "first", "end_day": "last"})"_json);
  EXPECT_EQ(document["days"][0],
            R"({"day": "d4", "total_requests": 100, "requests_with_api_key": 80,
                "requests_without_api_key": 20, "anonymous_requests": 0,
                "potential_lookup_failures": 20, "tracking_rate_percent": 80.0,
                "alert_status": "warning"})"_json);
  const std::vector<std::string> advice = document["recommendations"];
  ASSERT_GE(advice.size(), 2u);
  EXPECT_EQ(advice[0].rfind("The tracking rate fell from 97.00 % to 85.00 %", 0), 0u);
  EXPECT_EQ(advice[1], "The worst day was d2 with 1.00 % of 100 requests tracked.");
}

TEST(TrackingTrend, AHalfWithoutRequestsIsNoChange) {
  const Json document = trend({{"d1", 0, {.requests = 10, .with_key = 10}}}, 7);
  EXPECT_TRUE(document["change"]["first_half_percent"].is_null());
  EXPECT_EQ(document["change"]["last_half_percent"], 100.0);
  EXPECT_TRUE(document["change"]["percentage_points"].is_null());
  EXPECT_EQ(document["recommendations"], Json::array());
  EXPECT_TRUE(trend({{"d1", 0, {.requests = 1, .with_key = 1}}}, 1)["change"]["last_half_percent"]
                  .is_null());
}

TEST(TrackingTrend, WithoutDaysIsADocumentToo) {
  const Json document = trend({}, 7);
  EXPECT_EQ(document["days"], Json::array());
  EXPECT_TRUE(document["tracking_rate_percent"].is_null());
  EXPECT_EQ(document["alert_status"], "ok");
}

}  // namespace
}  // namespace keypool::core
