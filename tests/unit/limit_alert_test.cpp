#include "core/limit_alert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace keypool::core {
namespace {

constexpr Micros kStart = 800'000 * kHour + kSecond;

class LimitAlert : public testing::Test {
 protected:
  LimitAlert() {
    facts.providers.push_back({.name = "openai", .answered = true, .keys = 1});
    facts.owners.push_back({.provider = 0, .keys = {KeyFact{.key_id = 7}}});
  }

  KeyFact& key() { return facts.owners[0].keys[0]; }
  LimitFact& limit(KeyLimit which) { return key().limits[static_cast<std::size_t>(which)]; }

  // Looks and judges as the keeper of alerts does; whether the alert is open then.
  bool is_open(Micros now) {
    key().last_used_at = now;
    busy.look(facts, limits.rate_limit, now);
    judgement = judge_alerts(facts, open, limits, {now, watching_since});
    open.clear();
    for (const Cause& cause : judgement.causes) {
      EXPECT_EQ(cause.identity, (AlertIdentity{AlertKind::kRateLimit, "key:7"}));
      EXPECT_EQ(cause.severity, Severity::kWarning);
      open[cause.identity] = {1, cause.severity, 7};
    }
    return !open.empty();
  }

  AlertText describe(Micros now) {
    EXPECT_TRUE(is_open(now));
    return describe_alert(judgement.causes.at(0), facts, {"primary", "sk-…aB3d"}, limits, now);
  }

  PoolFacts facts;
  OpenAlerts open;
  AlertLimits limits = {.rate_limit = 0.8};
  Micros watching_since = 0;
  BusyMinutes busy;
  Judgement judgement;
};

TEST_F(LimitAlert, AnHourOrADayIsToldOfAtItsShareAndKeptUntilWellBelow) {
  for (const KeyLimit which : {KeyLimit::kHour, KeyLimit::kDailyCost}) {
    limit(which) = {.used = 799, .limit = 1000, .over_at = kStart + kMinute};
    EXPECT_FALSE(is_open(kStart));
    limit(which).used = 800;
    EXPECT_TRUE(is_open(kStart));
    EXPECT_EQ(judgement.look_again, kStart + kMinute) << "when the clock alone ends it";
    limit(which).used = 721;
    EXPECT_TRUE(is_open(kStart));
    limit(which).used = 719;
    EXPECT_FALSE(is_open(kStart));
    limit(which) = {};
  }
}

TEST_F(LimitAlert, WithoutALimitNothingIsUsedUp) {
  limit(KeyLimit::kHour).used = 1'000'000;
  EXPECT_FALSE(is_open(kStart));
}

TEST_F(LimitAlert, AShareOfOneTurnsItOff) {
  limits.rate_limit = 1;
  limit(KeyLimit::kHour) = {.used = 1000, .limit = 1000};
  EXPECT_FALSE(is_open(kStart));
}

TEST_F(LimitAlert, AMinuteThatIsFullNowAndThenIsNothing) {
  for (const KeyLimit which : {KeyLimit::kMinute, KeyLimit::kTokens, KeyLimit::kConcurrency}) {
    // A burst in one of two minutes would be three in five; one in three is not.
    for (int minute = 0; minute < 60; ++minute) {
      limit(which) = {.used = minute % 3 == 0 ? 60 : 0, .limit = 60};
      EXPECT_FALSE(is_open(kStart + minute * kMinute)) << minute;
    }
    limit(which) = {};
    EXPECT_FALSE(is_open(kStart + 100 * kMinute));
  }
}

TEST_F(LimitAlert, AMinuteThatIsFullAgainAndAgainIsToldOfOnceAndEndsAfterQuietMinutes) {
  limit(KeyLimit::kMinute) = {.used = 48, .limit = 60};
  Micros now = kStart;
  EXPECT_FALSE(is_open(now));
  EXPECT_FALSE(is_open(now += kSecond)) << "one minute is one, however often it was looked at";
  EXPECT_FALSE(is_open(now += kMinute));
  EXPECT_TRUE(is_open(now += kMinute));
  limit(KeyLimit::kMinute).used = 0;
  for (int quiet = 1; quiet < kBusySpan; ++quiet) EXPECT_TRUE(is_open(now += kMinute)) << quiet;
  EXPECT_EQ(judgement.look_again, (now / kMinute + 1) * kMinute);
  EXPECT_FALSE(is_open(now += kMinute));
}

TEST_F(LimitAlert, AnAlertOutlivesARestartThatForgotWhatWasCounted) {
  watching_since = kStart;
  open[{AlertKind::kRateLimit, "key:7"}] = {1, Severity::kWarning, 7};
  limit(KeyLimit::kHour) = {.used = 0, .limit = 100};
  EXPECT_TRUE(is_open(kStart + kMinute));
  EXPECT_EQ(judgement.look_again, kStart + kMemoryGap);
  EXPECT_FALSE(is_open(kStart + kMemoryGap));

  open[{AlertKind::kRateLimit, "key:7"}] = {1, Severity::kWarning, 7};
  limit(KeyLimit::kHour).used = 10;
  EXPECT_FALSE(is_open(kStart + kMinute)) << "this restart has not forgotten";
}

TEST_F(LimitAlert, SaysWhichLimitHowMuchAndUntilWhen) {
  limit(KeyLimit::kMinute) = {.used = 1, .limit = 60};
  limit(KeyLimit::kHour) = {.used = 85, .limit = 100, .over_at = kStart + 41 * kMinute};
  const AlertText text = describe(kStart);
  EXPECT_EQ(text.message,
            "key 7 openai/primary (sk-…aB3d) has used 85 of its 100 requests an hour (85 %, "
            "keypool.rate_limit_alert is 80 %); left alone, it is well below that in 41 minutes");
  EXPECT_EQ(nlohmann::json::parse(text.details),
            R"({"limit_name": "rate_limit", "used": 85, "limit": 100, "used_percent": 85.0,
                "alert_percent": 80.0, "seconds_until_reset": 2460, "key_source": "system"})"_json);
}

TEST_F(LimitAlert, SaysMoneyInDollarsAndTheFullestOfSeveralLimits) {
  limit(KeyLimit::kHour) = {.used = 85, .limit = 100, .over_at = kStart + kMinute};
  limit(KeyLimit::kDailyCost) = {
      .used = 4'500'000'000, .limit = 5'000'000'000, .over_at = kStart + 3 * kHour};
  const AlertText text = describe(kStart);
  EXPECT_EQ(text.message,
            "key 7 openai/primary (sk-…aB3d) has used $4.5 of its $5 a day (90 %, "
            "keypool.rate_limit_alert is 80 %); left alone, it is well below that in 3 hours");
  EXPECT_EQ(nlohmann::json::parse(text.details)["used"], 4.5);
}

TEST_F(LimitAlert, SaysInHowManyMinutesAMomentaryLimitWasReached) {
  limit(KeyLimit::kConcurrency) = {.used = 9, .limit = 10};
  EXPECT_FALSE(is_open(kStart));
  EXPECT_FALSE(is_open(kStart + kMinute));
  const AlertText text = describe(kStart + 2 * kMinute);
  EXPECT_EQ(text.message,
            "key 7 openai/primary (sk-…aB3d) used 80 % or more of its 10 requests at once in 3 of "
            "the last 5 minutes (9 just now)");
  EXPECT_EQ(nlohmann::json::parse(text.details)["limit_name"], "max_concurrency");
}

TEST_F(LimitAlert, HasANameInTheTables) {
  EXPECT_EQ(name(AlertKind::kRateLimit), "rate_limit");
  EXPECT_EQ(alert_kind_from_name("rate_limit"), AlertKind::kRateLimit);
}

}  // namespace
}  // namespace keypool::core
