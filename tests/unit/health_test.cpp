#include "core/health.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "health_fixture.hpp"
#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = kStart;

TEST_F(HealthTest, ACallersFaultChangesNothing) {
  EXPECT_FALSE(fail(FailureClass::kCallerFault, kNow));
  EXPECT_FALSE(fail(FailureClass::kNone, kNow));
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_EQ(health.last_error_at, 0);
}

TEST_F(HealthTest, AnUnknownFailureIsCountedAndHasNoEffect) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(fail(FailureClass::kUnknown, kNow + i));
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_EQ(health.last_error_at, kNow + 9);
  EXPECT_EQ(backoff_until(), 0);
}

TEST_F(HealthTest, ABadCredentialNoQuotaAndABlockedRegionTakeTheKeyOut) {
  for (const auto kind :
       {FailureClass::kCredential, FailureClass::kQuota, FailureClass::kRegionBlocked}) {
    health = {};
    EXPECT_TRUE(fail(kind, kNow));
    EXPECT_EQ(health.state, KeyState::kUnhealthy) << name(kind);
    EXPECT_EQ(health.failure, kind);
    settle(health, kNow + 365 * kDay);
    EXPECT_EQ(health.state, KeyState::kUnhealthy) << "time alone heals nothing";
    succeed(kNow + kSecond);
    EXPECT_EQ(health.state, KeyState::kUnhealthy) << "nor does a late answer";
  }
}

TEST_F(HealthTest, ARateLimitCoolsUntilTheDeadlineGiven) {
  EXPECT_TRUE(fail(FailureClass::kRateLimit, kNow, kNow + 34 * kSecond));
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_EQ(health.cooldown_until, kNow + 34 * kSecond);
  EXPECT_FALSE(pick(kNow + 34 * kSecond - 1));
  EXPECT_TRUE(pick(kNow + 34 * kSecond));
}

TEST_F(HealthTest, ADeadlineBeyondTenMinutesIsHonouredToo) {
  fail(FailureClass::kRateLimit, kNow, kNow + 3 * kHour);
  EXPECT_EQ(health.cooldown_until, kNow + 3 * kHour);
}

TEST_F(HealthTest, ADeadlineThatIsOverSaysNothing) {
  fail(FailureClass::kRateLimit, kNow, kNow - kSecond);
  EXPECT_GE(health.cooldown_until, kNow + kFirstCooldown);
}

TEST_F(HealthTest, ACooldownIsNeverShortened) {
  fail(FailureClass::kRateLimit, kNow, kNow + kHour);
  fail(FailureClass::kRateLimit, kNow + kSecond, kNow + 2 * kSecond);
  fail(FailureClass::kRateLimit, kNow + kSecond);
  for (int i = 0; i < 5; ++i) fail(FailureClass::kTransient, kNow + kSecond);
  note_check_passed(slots[0], provider, kNow + kSecond);
  succeed(kNow + kSecond);
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_EQ(health.cooldown_until, kNow + kHour);
}

TEST_F(HealthTest, WithoutADeadlineEachCooldownIsTwiceAsLongFromOneSecondToTenMinutes) {
  Micros now = kNow;
  Micros expected = kFirstCooldown;
  for (int i = 0; i < 300; ++i) {
    fail(FailureClass::kRateLimit, now);
    const Micros wait = health.cooldown_until - now;
    ASSERT_GE(wait, expected);
    ASSERT_LE(wait, std::min(expected + expected / 4, kLongestCooldown));
    now = health.cooldown_until;
    ASSERT_TRUE(pick(now)) << "the probe, which fails again";
    expected = std::min(2 * expected, kLongestCooldown);
  }
}

TEST_F(HealthTest, ManyLateAnswersToOneRateLimitDoNotEscalate) {
  for (int i = 0; i < 50; ++i) fail(FailureClass::kRateLimit, kNow + i * kMillisecond);
  EXPECT_LE(health.cooldown_until, kNow + 50 * kMillisecond + kFirstCooldown * 5 / 4);
}

TEST_F(HealthTest, CooldownsAreSpreadByChance) {
  std::map<Micros, int> seen;
  for (int i = 0; i < 20; ++i) {
    health = {};
    fail(FailureClass::kRateLimit, kNow);
    ++seen[health.cooldown_until];
  }
  EXPECT_GT(seen.size(), 15u);
}

TEST_F(HealthTest, AfterCoolingOneProbeThenTwoFourEightThenHealthy) {
  fail(FailureClass::kRateLimit, kNow, kNow + kMinute);
  Micros now = kNow + kMinute;
  for (const int allowed : {1, 2, 4, 8}) {
    EXPECT_EQ(picks_allowed(now), allowed);
    EXPECT_EQ(health.state, KeyState::kHalfOpen);
    now += kMillisecond;
    succeed(now);
  }
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_EQ(health.failure, FailureClass::kNone);
}

TEST_F(HealthTest, SilenceMovesTheRampAfterAProbeWindow) {
  fail(FailureClass::kRateLimit, kNow, kNow + kMinute);
  Micros now = kNow + kMinute;
  for (const int allowed : {1, 2, 4, 8}) {
    EXPECT_EQ(picks_allowed(now), allowed);
    EXPECT_EQ(picks_allowed(now + kProbeWindow - 1), 0);
    now += kProbeWindow;
  }
  settle(health, now);
  EXPECT_EQ(health.state, KeyState::kHealthy);
}

TEST_F(HealthTest, NoProbeMeansNoStep) {
  fail(FailureClass::kRateLimit, kNow, kNow + kMinute);
  EXPECT_TRUE(pick(kNow + kMinute));
  EXPECT_EQ(picks_allowed(kNow + 10 * kMinute), 2);
  settle(health, kNow + kHour);
  settle(health, kNow + 2 * kHour);
  EXPECT_EQ(picks_allowed(kNow + 2 * kHour), 4);
}

TEST_F(HealthTest, LateSuccessesBeforeTheFirstProbeMoveNothing) {
  fail(FailureClass::kRateLimit, kNow, kNow + kMinute);
  for (int i = 0; i < 10; ++i) succeed(kNow + kMinute + i);
  EXPECT_EQ(picks_allowed(kNow + kMinute + kSecond), 1);
}

TEST_F(HealthTest, FailingAgainInHalfOpenCoolsLonger) {
  fail(FailureClass::kRateLimit, kNow);
  const Micros first = health.cooldown_until - kNow;
  const Micros back = health.cooldown_until;
  ASSERT_TRUE(pick(back));
  fail(FailureClass::kRateLimit, back);
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_GT(health.cooldown_until - back, first);
}

TEST_F(HealthTest, OneTransientFailureInHalfOpenCoolsAgain) {
  for (int i = 0; i < 3; ++i) fail(FailureClass::kTransient, kNow);
  const Micros back = health.cooldown_until;
  ASSERT_TRUE(pick(back));
  fail(FailureClass::kTransient, back + kSecond);
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_GE(health.cooldown_until - back - kSecond, 2 * kFirstCooldown);
}

TEST_F(HealthTest, ARecoveredKeyStartsWithShortCooldownsAgain) {
  for (int i = 0; i < 6; ++i) {
    fail(FailureClass::kRateLimit, kNow + i * kHour);
    pick(kNow + i * kHour + 30 * kMinute);
  }
  Micros now = kNow + 10 * kHour;
  for (int i = 0; i < 5; ++i, now += kProbeWindow) picks_allowed(now);
  ASSERT_EQ(health.state, KeyState::kHealthy);
  fail(FailureClass::kRateLimit, now);
  EXPECT_LE(health.cooldown_until - now, kFirstCooldown * 5 / 4);
}

TEST_F(HealthTest, ThreeTransientFailuresInARowCoolBriefly) {
  EXPECT_TRUE(fail(FailureClass::kTransient, kNow));
  EXPECT_TRUE(fail(FailureClass::kTransient, kNow));
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_TRUE(fail(FailureClass::kTransient, kNow));
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_EQ(health.failure, FailureClass::kTransient);
  EXPECT_LE(health.cooldown_until, kNow + 2 * kFirstCooldown);
}

TEST_F(HealthTest, ASuccessEndsTheStreak) {
  for (int i = 0; i < 10; ++i) {
    fail(FailureClass::kTransient, kNow + i);
    fail(FailureClass::kTransient, kNow + i);
    succeed(kNow + i);
  }
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_EQ(provider.health.failing, 0u);
}

TEST_F(HealthTest, AKeyThatGotWellInSilenceHasThreeFailuresAgain) {
  for (int i = 0; i < 3; ++i) fail(FailureClass::kTransient, kNow);
  Micros now = kNow + kMinute;
  for (int i = 0; i < 5; ++i, now += kProbeWindow) picks_allowed(now);
  ASSERT_EQ(health.state, KeyState::kHealthy);
  fail(FailureClass::kTransient, now);
  fail(FailureClass::kTransient, now);
  EXPECT_EQ(health.state, KeyState::kHealthy);
  fail(FailureClass::kTransient, now);
  EXPECT_EQ(health.state, KeyState::kCooling);
  EXPECT_EQ(provider.health.failing, 1u) << "counted once";
}

TEST_F(HealthTest, ModelAccessBlocksThatModelOnly) {
  const std::uint64_t model = text_hash("gpt-4");
  note_failure(slots[0], provider, {.kind = FailureClass::kModelAccess, .model = model}, kNow,
               random);
  Micros free_at = 0;
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_TRUE(model_blocked(health, model, kNow, free_at));
  EXPECT_EQ(free_at, kNow + kModelBlockTime);
  EXPECT_FALSE(model_blocked(health, text_hash("gpt-5"), kNow, free_at));
  EXPECT_FALSE(model_blocked(health, model, kNow + kModelBlockTime, free_at));
}

TEST_F(HealthTest, ARateLimitOfOneModelBlocksThatModelUntilTheDeadline) {
  const std::uint64_t model = text_hash("gemini-pro");
  const Failure limited = {.kind = FailureClass::kRateLimit,
                           .retry_at = kNow + kMinute,
                           .model = model,
                           .for_model = true};
  note_failure(slots[0], provider, limited, kNow, random);
  Micros free_at = 0;
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_TRUE(model_blocked(health, model, kNow + kMinute - 1, free_at));
  EXPECT_EQ(free_at, kNow + kMinute);
  EXPECT_FALSE(model_blocked(health, model, kNow + kMinute, free_at));
}

TEST_F(HealthTest, ARateLimitOfAModelThatNobodyNamedCoolsTheKey) {
  note_failure(slots[0], provider, {.kind = FailureClass::kRateLimit, .for_model = true}, kNow,
               random);
  EXPECT_EQ(health.state, KeyState::kCooling);
}

TEST_F(HealthTest, AModelsBlockIsNeverShortened) {
  const std::uint64_t model = text_hash("m");
  for (const Micros wait : {kHour, kMinute}) {
    note_failure(slots[0], provider,
                 {.kind = FailureClass::kRateLimit,
                  .retry_at = kNow + wait,
                  .model = model,
                  .for_model = true},
                 kNow, random);
  }
  Micros free_at = 0;
  EXPECT_TRUE(model_blocked(health, model, kNow, free_at));
  EXPECT_EQ(free_at, kNow + kHour);
}

TEST_F(HealthTest, ACheckPassedHealsABadCredentialAtOnceAndNoQuotaByProbes) {
  for (const auto kind : {FailureClass::kCredential, FailureClass::kRegionBlocked}) {
    fail(kind, kNow);
    note_check_passed(slots[0], provider, kNow + kMinute);
    EXPECT_EQ(health.state, KeyState::kHealthy);
  }
  fail(FailureClass::kQuota, kNow);
  note_check_passed(slots[0], provider, kNow + kMinute);
  EXPECT_EQ(health.state, KeyState::kHalfOpen);
  EXPECT_EQ(picks_allowed(kNow + kMinute), 1);
}

TEST_F(HealthTest, ACheckPassedEndsNoCooldown) {
  fail(FailureClass::kRateLimit, kNow, kNow + kHour);
  fail(FailureClass::kCredential, kNow);
  note_check_passed(slots[0], provider, kNow + kMinute);
  EXPECT_FALSE(pick(kNow + kHour - 1));
  EXPECT_EQ(picks_allowed(kNow + kHour), 1);
}

TEST_F(HealthTest, ACoolingKeyWhoseCredentialFailsStaysOutWhenTheCooldownEnds) {
  fail(FailureClass::kRateLimit, kNow, kNow + kMinute);
  fail(FailureClass::kCredential, kNow);
  EXPECT_FALSE(pick(kNow + kHour));
  fail(FailureClass::kRateLimit, kNow + kHour, kNow + 2 * kHour);
  EXPECT_EQ(health.state, KeyState::kUnhealthy);
  EXPECT_EQ(health.failure, FailureClass::kCredential);
}

TEST_F(HealthTest, TheLastErrorIsRemembered) {
  note_failure(slots[0], provider,
               {.kind = FailureClass::kQuota, .http_status = 429, .code = "insufficient_quota"},
               kNow, random);
  EXPECT_EQ(health.http_status, 429);
  EXPECT_STREQ(health.code.data(), "insufficient_quota");
  const std::string longer(100, 'x');
  note_failure(slots[0], provider, {.kind = FailureClass::kUnknown, .code = longer}, kNow + 1,
               random);
  EXPECT_EQ(std::string(health.code.begin(), health.code.end()), std::string(24, 'x'));
  EXPECT_EQ(health.last_error_at, kNow + 1);
  note_failure(slots[0], provider, {.kind = FailureClass::kUnknown}, kNow + 2, random);
  EXPECT_STREQ(health.code.data(), "unknown");
}

TEST_F(HealthTest, NewsOfAnyKindIsMarkedForTheWorker) {
  fail(FailureClass::kUnknown, kNow);
  EXPECT_TRUE(slots[0].dirty);
  succeed(kNow, 1);
  EXPECT_TRUE(slots[1].dirty);
  note_check_passed(slots[2], provider, kNow);
  EXPECT_TRUE(slots[2].dirty);
}

TEST_F(HealthTest, FarDeadlinesOverflowNothing) {
  fail(FailureClass::kRateLimit, kNow, kNever);
  EXPECT_EQ(health.cooldown_until, kNever);
  EXPECT_FALSE(pick(kNever - 1));
  fail(FailureClass::kRateLimit, kNow);
  EXPECT_EQ(health.cooldown_until, kNever);
  fail(FailureClass::kOverloaded, kNow, kNever);
  EXPECT_EQ(backoff_until(), kNow + kLongestBackoff);
}

}  // namespace
}  // namespace keypool::core
