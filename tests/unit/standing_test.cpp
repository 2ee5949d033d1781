// What makes a key ineligible, as picks of it show.
#include "core/standing.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "selection_fixture.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = kStart;

using StandingTest = SelectionTest;

TEST_F(StandingTest, DisabledExpiredAndUnhealthyKeysAreNeverTaken) {
  KeyRow disabled = key_row(1);
  disabled.slot.config.enabled = false;
  KeyRow expired = key_row(2);
  expired.slot.config.expires_at = kNow;
  KeyRow unhealthy = key_row(3);
  unhealthy.slot.health.state = KeyState::kUnhealthy;
  publish({disabled, expired, unhealthy});
  EXPECT_EQ(all.take(), 0);
  const Strategy single = Strategy::kSingle;
  EXPECT_EQ(all.take({.strategy = &single}), 0);
  EXPECT_EQ(standing_of(all.slot(1), {}, kNow).blocked, Blocked::kDisabled);
  EXPECT_EQ(standing_of(all.slot(2), {}, kNow).blocked, Blocked::kExpired);
  EXPECT_EQ(standing_of(all.slot(3), {}, kNow).blocked, Blocked::kUnhealthy);
}

TEST_F(StandingTest, AKeyExpiresToTheMicrosecond) {
  KeyRow row = key_row(1);
  row.slot.config.expires_at = kNow + kSecond;
  publish({row});
  EXPECT_EQ(all.take({}, kNow + kSecond - 1), 1);
  EXPECT_EQ(all.take({}, kNow + kSecond), 0);
}

TEST_F(StandingTest, ACoolingKeyComesBackAtItsDeadlineWithOneProbe) {
  publish({key_row(1)});
  all.take();
  all.fail(1, {.kind = FailureClass::kRateLimit, .retry_at = kNow + kMinute}, kNow);
  EXPECT_EQ(all.take({}, kNow + kMinute - 1), 0);
  EXPECT_EQ(take_many(3, {}, kNow + kMinute), (Ids{1, 0, 0}));
  EXPECT_EQ(standing_of(all.slot(1), {}, kNow + kMinute).blocked, Blocked::kProbing);
  EXPECT_EQ(take_many(3, {}, kNow + kMinute + kProbeWindow), (Ids{1, 1, 0}));
  all.succeed(1, kNow + kMinute + kProbeWindow);
  EXPECT_EQ(take_many(5, {}, kNow + kMinute + kProbeWindow), (Ids{1, 1, 1, 1, 0}));
}

TEST_F(StandingTest, RequestLimitsHoldInEveryWindow) {
  KeyRow row = key_row(1);
  row.slot.config.limits.requests_per_hour = 100;
  row.slot.config.limits.requests_per_minute = 7;
  publish({row});
  std::vector<Micros> taken;
  for (Micros now = kNow; now < kNow + 3 * kHour; now += kSecond) {
    if (all.take({}, now) != 0) taken.push_back(now);
  }
  const auto most = [&taken](Micros length) {
    std::ptrdiff_t count = 0;
    for (auto from = taken.begin(); from != taken.end(); ++from) {
      count = std::max(count, std::lower_bound(from, taken.end(), *from + length) - from);
    }
    return count;
  };
  EXPECT_EQ(most(kMinute), 7);
  EXPECT_EQ(most(kHour), 100);
  EXPECT_GE(taken.size(), 285u) << "95 % of the hour's limit is usable";
}

TEST_F(StandingTest, TellsWhenALimitFreesTheKey) {
  KeyRow row = key_row(1);
  row.slot.config.limits.requests_per_minute = 2;
  publish({row});
  take_many(2);
  const Standing standing = standing_of(all.slot(1), {}, kNow);
  ASSERT_EQ(standing.blocked, Blocked::kMinuteLimit);
  EXPECT_EQ(all.take({}, standing.free_at - 1), 0);
  EXPECT_EQ(all.take({}, standing.free_at), 1);
}

TEST_F(StandingTest, TokensAreReservedAndGivenBack) {
  KeyRow row = key_row(1);
  row.slot.config.limits.tokens_per_minute = 1'000;
  publish({row});
  const Wish wish = {.tokens = 600, .lease = true};
  EXPECT_EQ(all.take(wish), 1);
  EXPECT_EQ(all.take(wish), 0);
  EXPECT_EQ(standing_of(all.slot(1), wish, kNow).blocked, Blocked::kTokenLimit);
  EXPECT_EQ(all.take({.tokens = 400}), 1) << "exactly what is left";
  EXPECT_EQ(all.take(), 0) << "a wish without an amount needs one token";
  all.give_back(1, {.tokens = 600, .acquired_at = kNow}, true, kNow);
  EXPECT_EQ(all.take(wish), 1);
}

TEST_F(StandingTest, MoreTokensThanTheLimitAreNeverFree) {
  KeyRow row = key_row(1);
  row.slot.config.limits.tokens_per_minute = 1'000;
  publish({row});
  const Standing standing = standing_of(all.slot(1), {.tokens = 1'001}, kNow);
  EXPECT_EQ(standing.blocked, Blocked::kTokenLimit);
  EXPECT_EQ(standing.free_at, kNever);
}

TEST_F(StandingTest, CostIsReservedAndGivenBack) {
  KeyRow row = key_row(1);
  row.slot.config.limits.cost_per_day_nano = 100;
  publish({row});
  const Wish wish = {.cost_nano = 60, .lease = true};
  EXPECT_EQ(all.take(wish), 1);
  EXPECT_EQ(all.take(wish), 0);
  EXPECT_EQ(all.take({.cost_nano = 40, .lease = true}), 1);
  EXPECT_EQ(all.take(), 0);
  EXPECT_EQ(standing_of(all.slot(1), {}, kNow).free_at, next_midnight(kNow));
  EXPECT_EQ(standing_of(all.slot(1), {.cost_nano = 101}, kNow).free_at, kNever);
  all.give_back(1, {.cost_nano = 60}, true, kNow);
  EXPECT_EQ(all.take(wish), 1);
}

TEST_F(StandingTest, AbsurdAmountsOverflowNothing) {
  KeyRow limited = key_row(1);
  limited.slot.config.limits.cost_per_day_nano = kNever;
  publish({limited, key_row(2)}, Strategy::kUsageBased);
  const Wish absurd = {.tokens = 0x7fffffff, .cost_nano = kNever, .lease = true};
  for (int i = 0; i < 10; ++i) all.take(absurd);
  for (const std::int64_t id : {1, 2}) {
    EXPECT_GE(all.slot(id).usage.reserved_nano, 0);
    all.slot(id).usage.cost_day = static_cast<std::int32_t>(kNow / kDay);
    all.slot(id).usage.cost_today_nano = kNever;
    EXPECT_EQ(committed_today(all.slot(id).usage, kNow), kNever);
  }
  limited.slot.config.limits.cost_per_day_nano = 1;
  publish({limited, key_row(2)}, Strategy::kUsageBased);
  EXPECT_EQ(all.take(), 2);
}

TEST_F(StandingTest, ConcurrencyIsBoundedByLeases) {
  KeyRow row = key_row(1);
  row.slot.config.limits.concurrency = 2;
  publish({row});
  const Wish lease = {.lease = true};
  EXPECT_EQ(take_many(3, lease), (Ids{1, 1, 0}));
  EXPECT_EQ(all.take(), 0) << "nor without a lease";
  all.give_back(1, {}, false, kNow);
  EXPECT_EQ(take_many(2, lease), (Ids{1, 0}));
}

TEST_F(StandingTest, ALeaseGivenBackUnusedCountsInNoWindow) {
  KeyRow row = key_row(1);
  row.slot.config.limits.requests_per_minute = 1;
  publish({row});
  ASSERT_EQ(all.take({.lease = true}), 1);
  all.give_back(1, {.acquired_at = kNow}, false, kNow + kSecond);
  EXPECT_EQ(all.take({}, kNow + kSecond), 0) << "used";
  all.slot(1).usage.in_flight = 1;
  all.give_back(1, {.acquired_at = kNow}, true, kNow + kSecond);
  EXPECT_EQ(all.take({}, kNow + kSecond), 1) << "unused";
  EXPECT_EQ(all.slot(1).usage.in_flight, 0u);
}

RateLimits told(std::int64_t requests, Micros until) {
  return {.remaining_requests = requests, .reset_requests_at = until};
}

TEST_F(StandingTest, WhatTheProviderSaysIsLeftIsAllThatIsTakenUntilItsReset) {
  publish({key_row(1), key_row(2)});
  for (const std::int64_t id : {1, 2}) {
    all.report(id, kNow, [](Slot& slot, Provider&) {
      slot.told.tell(kNow, told(slot.config.key_id, kNow + 30 * kSecond));
    });
  }
  EXPECT_EQ(shares(take_many(5)), (std::map<std::int64_t, int>{{0, 2}, {1, 1}, {2, 2}}));
  const Standing standing = standing_of(all.slot(1), {}, kNow);
  EXPECT_EQ(standing.blocked, Blocked::kToldRequests);
  EXPECT_EQ(standing.free_at, kNow + 30 * kSecond);
  EXPECT_EQ(all.take({}, standing.free_at - 1), 0);
  EXPECT_EQ(shares(take_many(4, {}, standing.free_at)),
            (std::map<std::int64_t, int>{{1, 2}, {2, 2}}));
}

TEST_F(StandingTest, ToldTokensAreTakenByAmountsAndNotGivenBack) {
  publish({key_row(1)});
  all.report(1, kNow, [](Slot& slot, Provider&) {
    slot.told.tell(kNow, {.remaining_tokens = 1'000, .reset_tokens_at = kNow + kMinute});
  });
  const Wish wish = {.tokens = 600, .lease = true};
  EXPECT_EQ(all.take(wish), 1);
  EXPECT_EQ(all.take(wish), 0);
  const Standing standing = standing_of(all.slot(1), wish, kNow);
  EXPECT_EQ(standing.blocked, Blocked::kToldTokens);
  EXPECT_EQ(figures_text(standing), "400 left, 600 wanted");
  all.give_back(1, {.tokens = 600, .acquired_at = kNow}, true, kNow);
  EXPECT_EQ(all.take(wish), 0) << "the provider may have counted it";
  EXPECT_EQ(all.take({.tokens = 400}), 1);
  EXPECT_EQ(all.take(), 0);
  EXPECT_EQ(all.take(wish, kNow + kMinute), 1);
}

TEST_F(StandingTest, ALimitThatIsReachedShowsItsFigures) {
  KeyRow row = key_row(1);
  row.slot.config.limits = {.requests_per_hour = 9,
                            .requests_per_minute = 3,
                            .tokens_per_minute = 1'000,
                            .concurrency = 2,
                            .cost_per_day_nano = 2'000'000'000};
  publish({row});
  const auto figures = [&](const Wish& wish) {
    return figures_text(standing_of(all.slot(1), wish, kNow));
  };
  EXPECT_EQ(figures({}), "");
  ASSERT_EQ(all.take({.tokens = 600, .cost_nano = 1'500'000'000, .lease = true}), 1);
  all.slot(1).usage.cost_today_nano = 250'000'001;
  all.slot(1).usage.cost_day = static_cast<std::int32_t>(kNow / kDay);
  EXPECT_EQ(figures({.tokens = 500}), "600 of 1000, 500 wanted");
  EXPECT_EQ(figures({.cost_nano = 300'000'000}),
            "$0.250000001 spent and $1.5 reserved of $2, $0.3 wanted");
  ASSERT_EQ(all.take({.lease = true}), 1);
  EXPECT_EQ(figures({}), "2 of 2 in flight");
  all.give_back(1, {}, false, kNow);
  ASSERT_EQ(all.take(), 1);
  EXPECT_EQ(figures({}), "3 of 3");
  EXPECT_EQ(figures_text({.blocked = Blocked::kUnhealthy}), "");
}

TEST(Describe, EveryReasonHasWords) {
  for (int i = 0; i < static_cast<int>(Blocked::kCount); ++i) {
    EXPECT_FALSE(describe(static_cast<Blocked>(i)).empty());
  }
}

}  // namespace
}  // namespace keypool::core
