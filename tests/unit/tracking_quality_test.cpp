#include "core/tracking_quality.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using Texts = std::vector<std::string>;

TEST(TrackingQuality, TheRateIsRoundedHalfUpToHundredthsAsTheViewsDo) {
  EXPECT_EQ(percent_of(1, 3), 3333);
  EXPECT_EQ(percent_of(2, 3), 6667);
  EXPECT_EQ(percent_of(1, 20000), 1);  // 0.005 %
  EXPECT_EQ(percent_of(1, 20001), 0);
  EXPECT_EQ(percent_of(7, 7), 100 * kPercent);
  EXPECT_EQ(percent_of(0, 7), 0);
}

TEST(TrackingQuality, NoCountOverflowsTheRate) {
  constexpr std::int64_t kMost = 9'000'000'000'000'000'000;
  EXPECT_EQ(percent_of(kMost, kMost), 100 * kPercent);
  EXPECT_EQ(percent_of(kMost / 3, kMost), 3333);
}

TEST(TrackingQuality, WithoutRequestsThereIsNoRateAndNoWorry) {
  EXPECT_EQ(percent_of(0, 0), 0);
  EXPECT_EQ(tracking_rate({}), std::nullopt);
  EXPECT_EQ(tracking_status(std::nullopt), TrackingStatus::kOk);
}

TEST(TrackingQuality, TheLimitsBelongToTheBetterStatus) {
  EXPECT_EQ(tracking_status(100 * kPercent), TrackingStatus::kOk);
  EXPECT_EQ(tracking_status(9000), TrackingStatus::kOk);
  EXPECT_EQ(tracking_status(8999), TrackingStatus::kWarning);
  EXPECT_EQ(tracking_status(7000), TrackingStatus::kWarning);
  EXPECT_EQ(tracking_status(6999), TrackingStatus::kCritical);
  EXPECT_EQ(tracking_status(0), TrackingStatus::kCritical);
}

TEST(TrackingQuality, PercentagesHaveTwoDecimalsAndASign) {
  EXPECT_EQ(percent_text(9524), "95.24");
  EXPECT_EQ(percent_text(10000), "100.00");
  EXPECT_EQ(percent_text(5), "0.05");
  EXPECT_EQ(percent_text(-205), "-2.05");
}

TEST(TrackingQuality, WhatIsNotTrackedIsToldApart) {
  const TrackingFigures figures = {
      .requests = 100, .with_key = 60, .anonymous = 10, .user_without_key = 25};
  EXPECT_EQ(figures.without_key(), 40);
  EXPECT_EQ(figures.without_both(), 15);
  EXPECT_EQ(figures.unidentified(), 5);
}

TEST(TrackingQuality, AdviceNamesTheFigureThatCallsForIt) {
  EXPECT_EQ(
      tracking_advice({.requests = 200, .with_key = 100, .anonymous = 20, .user_without_key = 50}),
      (Texts{"50 requests (25.00 %) named a user but no key: log api_key_id, api_key or "
             "lease_id with them.",
             "30 requests (15.00 %) named neither user nor key: log who made them, or say "
             "is_anonymous => true where that is meant.",
             "20 requests (10.00 %) were anonymous on purpose: have their callers use a key; "
             "dev_key() gives one for development."}));
  EXPECT_EQ(
      tracking_advice({.requests = 4, .with_key = 3, .user_without_key = 1}).front().substr(0, 18),
      "1 request (25.00 %");
}

TEST(TrackingQuality, WhatIsBelowOnePercentIsPassedOver) {
  EXPECT_EQ(tracking_advice({.requests = 1000, .with_key = 991, .user_without_key = 9}), Texts{});
  EXPECT_EQ(tracking_advice({.requests = 1000, .with_key = 990, .user_without_key = 10}).size(),
            1u);
  EXPECT_EQ(tracking_advice({.requests = 50, .with_key = 50}), Texts{});
}

TEST(TrackingQuality, SilenceIsWorthAWord) {
  const Texts advice = tracking_advice({});
  ASSERT_EQ(advice.size(), 1u);
  EXPECT_NE(advice[0].find("log_request()"), std::string::npos);
}

}  // namespace
}  // namespace keypool::core
