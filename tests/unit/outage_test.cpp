// What is the provider's trouble is no key's fault.
#include <algorithm>

#include <gtest/gtest.h>

#include "core/health.hpp"
#include "core/standing.hpp"
#include "health_fixture.hpp"
#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = kStart;

using OutageTest = HealthTest;

TEST_F(OutageTest, AnOutageOfTheProviderBlamesNoKey) {
  provider.health.keys = 4;
  int blamed = 0;
  for (int round = 0; round < 5; ++round) {
    for (int key = 0; key < 4; ++key) {
      blamed += fail(FailureClass::kTransient, kNow + round * kMinute, 0, key) ? 1 : 0;
    }
  }
  for (const Slot& slot : slots) EXPECT_EQ(slot.health.state, KeyState::kHealthy);
  EXPECT_TRUE(provider.health.outage);
  EXPECT_GT(backoff_until(), kNow);
  EXPECT_LE(blamed, 8) << "only what came before it was known";
}

TEST_F(OutageTest, AnOutageIsSeenEvenWhenOneKeyAfterTheOtherIsTried) {
  provider.health.keys = 4;
  for (int key = 0; key < 4; ++key) {
    for (int i = 0; i < 3; ++i) fail(FailureClass::kTransient, kNow, 0, key);
  }
  EXPECT_TRUE(provider.health.outage);
  EXPECT_EQ(slots[2].health.state, KeyState::kHealthy);
  EXPECT_EQ(slots[3].health.state, KeyState::kHealthy);
}

TEST_F(OutageTest, AFewFailingKeysAreNoOutage) {
  provider.health.keys = 4;
  for (int i = 0; i < 6; ++i) fail(FailureClass::kTransient, kNow, 0, i % 2);
  EXPECT_FALSE(provider.health.outage);
  EXPECT_EQ(slots[0].health.state, KeyState::kCooling);
  EXPECT_EQ(slots[1].health.state, KeyState::kCooling);
  EXPECT_EQ(backoff_until(), 0);
}

TEST_F(OutageTest, AnOutageEndsWithASuccess) {
  provider.health.keys = 2;
  for (int i = 0; i < 4; ++i) fail(FailureClass::kTransient, kNow, 0, i % 2);
  ASSERT_TRUE(provider.health.outage);
  succeed(kNow + kSecond);
  EXPECT_FALSE(provider.health.outage);
  const Micros until = backoff_until();
  fail(FailureClass::kTransient, kNow + kMinute);
  EXPECT_EQ(backoff_until(), until) << "one failure is no outage again";
}

TEST_F(OutageTest, AnOutageEndsAfterAQuietMinuteToo) {
  provider.health.keys = 2;
  for (int i = 0; i < 4; ++i) fail(FailureClass::kTransient, kNow, 0, i % 2);
  ASSERT_TRUE(provider.health.outage);
  const Micros later = backoff_until() + kQuietTime;
  EXPECT_TRUE(fail(FailureClass::kTransient, later));
  EXPECT_FALSE(provider.health.outage);
  EXPECT_LT(backoff_until(), later);
}

TEST_F(OutageTest, AnOverloadedProviderRestsAndNoKeyIsBlamed) {
  EXPECT_FALSE(fail(FailureClass::kOverloaded, kNow));
  EXPECT_EQ(health.state, KeyState::kHealthy);
  EXPECT_GE(backoff_until(), kNow + kFirstCooldown);
  EXPECT_LE(backoff_until(), kNow + kFirstCooldown * 5 / 4);
  EXPECT_EQ(provider_standing(provider, kNow).blocked, Blocked::kProviderDisabled);
  provider.config.enabled = true;
  EXPECT_EQ(provider_standing(provider, kNow).blocked, Blocked::kProviderBusy);
  EXPECT_EQ(provider_standing(provider, kNow).free_at, backoff_until());
  EXPECT_EQ(provider_standing(provider, backoff_until()).blocked, Blocked::kNo);
}

TEST_F(OutageTest, TheRestOfAProviderIsBounded) {
  fail(FailureClass::kOverloaded, kNow, kNow + kDay);
  EXPECT_EQ(backoff_until(), kNow + kLongestBackoff);
  Micros now = kNow;
  for (int i = 0; i < 300; ++i) {
    now = std::max(now, backoff_until());
    fail(FailureClass::kOverloaded, now);
    ASSERT_LE(backoff_until(), now + kLongestBackoff);
  }
  EXPECT_EQ(backoff_until(), now + kLongestBackoff) << "grown to the bound";
}

TEST_F(OutageTest, ManyLateOverloadedAnswersDoNotEscalate) {
  for (int i = 0; i < 50; ++i) fail(FailureClass::kOverloaded, kNow + i);
  EXPECT_LE(backoff_until(), kNow + 50 + kFirstCooldown * 5 / 4);
}

TEST_F(OutageTest, TheRestOfAProviderIsNeverShortened) {
  fail(FailureClass::kOverloaded, kNow, kNow + 20 * kSecond);
  fail(FailureClass::kOverloaded, kNow + kSecond, kNow + 2 * kSecond);
  EXPECT_EQ(backoff_until(), kNow + 20 * kSecond);
}

}  // namespace
}  // namespace keypool::core
