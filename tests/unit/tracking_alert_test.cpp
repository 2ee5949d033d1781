#include "core/tracking_alert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace keypool::core {
namespace {

class TrackingAlert : public testing::Test {
 protected:
  // Of so many requests so many carried a key: how severe an alert is open then, if any.
  std::string judge(std::int64_t with_key, std::int64_t requests) {
    facts.tracking = {.requests = requests, .with_key = with_key};
    const Judgement judgement = judge_alerts(facts, open, {}, {.now = kDay, .watching_since = 0});
    open.clear();
    for (const Cause& cause : judgement.causes) {
      EXPECT_EQ(cause.identity, (AlertIdentity{AlertKind::kTrackingQuality, "tracking"}));
      open[cause.identity] = {1, cause.severity, 0};
    }
    EXPECT_EQ(judgement.look_again, kNever) << "the clock alone changes nothing";
    return open.empty() ? "none" : std::string(name(open.begin()->second.severity));
  }

  PoolFacts facts;
  OpenAlerts open;
};

TEST_F(TrackingAlert, IsRaisedBelowTheLimitsOfTheContract) {
  EXPECT_EQ(judge(900, 1000), "none");
  EXPECT_EQ(judge(899, 1000), "warning");
  open.clear();
  EXPECT_EQ(judge(700, 1000), "warning");
  EXPECT_EQ(judge(699, 1000), "critical");
}

TEST_F(TrackingAlert, NeedsEnoughRequestsToSpeakOfARate) {
  EXPECT_EQ(judge(0, 0), "none");
  EXPECT_EQ(judge(0, 19), "none");
  EXPECT_EQ(judge(0, 20), "critical");
}

TEST_F(TrackingAlert, StaysUntilTheRateIsALittleAboveItsLimit) {
  EXPECT_EQ(judge(89, 100), "warning");
  EXPECT_EQ(judge(90, 100), "warning");
  EXPECT_EQ(judge(909, 1000), "warning");
  EXPECT_EQ(judge(91, 100), "none");
  EXPECT_EQ(judge(90, 100), "none");
}

TEST_F(TrackingAlert, StaysWhileFewRequestsSayNothingBetterAndEndsWithTheLast) {
  EXPECT_EQ(judge(60, 100), "critical");
  EXPECT_EQ(judge(1, 2), "critical");
  EXPECT_EQ(judge(2, 2), "none");
  EXPECT_EQ(judge(60, 100), "critical");
  EXPECT_EQ(judge(0, 0), "none");
}

TEST_F(TrackingAlert, GetsWorseButNotMilder) {
  EXPECT_EQ(judge(80, 100), "warning");
  EXPECT_EQ(judge(60, 100), "critical");
  EXPECT_EQ(judge(80, 100), "critical");
}

TEST_F(TrackingAlert, SaysHowManyRequestsLackWhat) {
  facts.tracking = {.requests = 1000, .with_key = 612, .anonymous = 8, .user_without_key = 300};
  const auto cause = judge_tracking(facts.tracking, open);
  ASSERT_TRUE(cause.has_value());
  const AlertText text = describe_alert(*cause, facts, {}, {}, 0);
  EXPECT_EQ(text.message,
            "only 61.20 % of the requests of the last 24 hours carried an API key: 388 of 1000 did "
            "not (300 named a user, 80 neither user nor key, 8 were anonymous on purpose)");
  EXPECT_EQ(nlohmann::json::parse(text.details),
            R"({"hours": 24, "requests": 1000, "with_key": 612, "user_without_key": 300,
                "neither_user_nor_key": 80, "anonymous": 8, "tracking_rate_percent": 61.2,
                "limit_percent": 70})"_json);
}

TEST_F(TrackingAlert, HasANameInTheTables) {
  EXPECT_EQ(name(AlertKind::kTrackingQuality), "tracking_quality");
  EXPECT_EQ(alert_kind_from_name("tracking_quality"), AlertKind::kTrackingQuality);
}

}  // namespace
}  // namespace keypool::core
