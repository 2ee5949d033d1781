#include "core/caller_meters.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 800'000'000 * kSecond;
constexpr std::uint32_t kOurs = 5;
constexpr std::uint32_t kFirst = 7;  // installation
// No pick counts for a minute's limit so long.
constexpr Micros kGone = MinuteWindow::kBuckets * MinuteWindow::kWidth;

class CallerMetersTest : public testing::Test {
 protected:
  explicit CallerMetersTest(std::uint32_t capacity = 4)
      : memory_(new std::uint64_t[CallerMeters::bytes_for(capacity) / 8 + 1]()),
        meters_(CallerMeters::create(memory_.get(), capacity)) {}

  // As a pick does it.
  CallerVerdict pick(const std::vector<LimitedCaller>& callers, Micros now) {
    CallerVerdict verdict = meters_.admit(callers, now);
    if (verdict.admission == Admission::kNoMeter && meters_.add(callers, now)) {
      verdict = meters_.admit(callers, now);
    }
    return verdict;
  }
  int let_in(const std::vector<LimitedCaller>& callers, Micros now, int times) {
    int admitted = 0;
    for (int i = 0; i < times; ++i) {
      admitted += pick(callers, now).admission == Admission::kAdmitted ? 1 : 0;
    }
    return admitted;
  }

  std::unique_ptr<std::uint64_t[]> memory_;
  CallerMeters meters_;
};

LimitedCaller role(std::string_view name, CallerLimit limit) {
  return {{kOurs, kFirst, CallerScope::kRole, name}, limit};
}
LimitedCaller user(std::string_view name, CallerLimit limit) {
  return {{kOurs, kFirst, CallerScope::kUser, name}, limit};
}

TEST_F(CallerMetersTest, LetsInAsManyAsTheLimitAndSaysWhenTheNextIs) {
  EXPECT_EQ(let_in({role("app", {10, 0})}, kNow, 25), 10);
  const CallerVerdict refused = pick({role("app", {10, 0})}, kNow);
  EXPECT_EQ(refused.admission, Admission::kRefused);
  EXPECT_EQ(refused.stop.span, kMinute);
  EXPECT_EQ(refused.stop.limit, 10u);
  EXPECT_EQ(refused.stop.used, 10u);
  EXPECT_GE(refused.stop.free_at, kNow + kMinute);
  EXPECT_LE(refused.stop.free_at, kNow + kGone);
  EXPECT_EQ(let_in({role("app", {10, 0})}, refused.stop.free_at - 1, 1), 0);
  EXPECT_EQ(let_in({role("app", {10, 0})}, refused.stop.free_at, 25), 10);
}

TEST_F(CallerMetersTest, OfTwoLimitsTheOneThatLastsLongestIsNamed) {
  EXPECT_EQ(let_in({role("app", {10, 10})}, kNow, 25), 10);
  const CallerVerdict refused = pick({role("app", {10, 10})}, kNow);
  EXPECT_EQ(refused.stop.span, kHour);
  EXPECT_GE(refused.stop.free_at, kNow + kHour);
}

TEST_F(CallerMetersTest, TheHourIsCountedBesideTheMinute) {
  int total = 0;
  for (int minute = 0; minute < 30; ++minute) {
    total += let_in({role("app", {10, 55})}, kNow + minute * 2 * kMinute, 25);
  }
  EXPECT_EQ(total, 55);
}

TEST_F(CallerMetersTest, WhatTheUserIsRefusedDoesNotCountForTheRole) {
  EXPECT_EQ(let_in({role("app", {10, 0}), user("u1", {3, 0})}, kNow, 25), 3);
  const CallerVerdict refused = pick({role("app", {10, 0}), user("u1", {3, 0})}, kNow);
  EXPECT_EQ(refused.caller, 1u);
  EXPECT_EQ(let_in({role("app", {10, 0}), user("u2", {30, 0})}, kNow, 25), 7);
  EXPECT_EQ(let_in({user("u2", {30, 0})}, kNow, 50), 23);
}

TEST_F(CallerMetersTest, SameNamesOfAnotherScopeInstallationOrDatabaseAreOthers) {
  EXPECT_EQ(let_in({role("app", {1, 0})}, kNow, 5), 1);
  EXPECT_EQ(let_in({user("app", {2, 0})}, kNow, 5), 2);
  EXPECT_EQ(let_in({{{kOurs + 1, kFirst, CallerScope::kRole, "app"}, {3, 0}}}, kNow, 5), 3);
  EXPECT_EQ(let_in({{{kOurs, kFirst + 1, CallerScope::kRole, "app"}, {4, 0}}}, kNow, 5), 4);
  EXPECT_EQ(meters_.readings(kOurs, kFirst).size(), 2u);
  EXPECT_EQ(meters_.readings(kOurs + 1, kFirst).size(), 1u);
  EXPECT_EQ(meters_.readings(kOurs + 2, kFirst).size(), 0u);
}

TEST_F(CallerMetersTest, NamesAreToldApartToTheLastByte) {
  const std::string one(kMaxCallerName, 'x');
  std::string other = one;
  other.back() = 'y';
  EXPECT_EQ(let_in({user(one, {1, 0})}, kNow, 5), 1);
  EXPECT_EQ(let_in({user(other, {1, 0})}, kNow, 5), 1);
  EXPECT_EQ(meters_.readings(kOurs, kFirst)[1].name, other);
}

TEST_F(CallerMetersTest, ChangedLimitsHoldForWhatWasPickedBefore) {
  EXPECT_EQ(let_in({role("app", {10, 0})}, kNow, 25), 10);
  EXPECT_EQ(let_in({role("app", {12, 0})}, kNow, 25), 2);
  const CallerVerdict refused = pick({role("app", {5, 0})}, kNow);
  EXPECT_EQ(refused.stop.used, 12u);
  EXPECT_EQ(refused.stop.limit, 5u);
  // The limit by the hour is new, what it counts is not.
  EXPECT_EQ(let_in({role("app", {0, 15})}, kNow, 25), 3);
}

TEST_F(CallerMetersTest, WhoCountsSomethingIsNeverDropped) {
  for (const char* name : {"u1", "u2", "u3", "u4"}) {
    EXPECT_EQ(let_in({user(name, {2, 0})}, kNow, 1), 1);
  }
  EXPECT_EQ(pick({user("u5", {2, 0})}, kNow).admission, Admission::kNoMeter);
  EXPECT_EQ(let_in({user("u1", {2, 0})}, kNow, 5), 1);
  EXPECT_EQ(pick({user("u5", {2, 0})}, kNow + 30 * kSecond).admission, Admission::kNoMeter);
  // A minute later the places are free, but for who goes on picking.
  const Micros later = kNow + kGone;
  EXPECT_EQ(let_in({user("u3", {2, 0})}, later, 5), 2);
  for (const char* name : {"u5", "u6", "u7"}) {
    EXPECT_EQ(let_in({user(name, {2, 0})}, later, 1), 1) << name;
  }
  EXPECT_EQ(pick({user("u8", {2, 0})}, later).admission, Admission::kNoMeter);
  EXPECT_EQ(let_in({user("u3", {2, 0})}, later, 5), 0);
}

TEST_F(CallerMetersTest, ALimitByTheHourKeepsItsMeterForAnHour) {
  for (const char* name : {"u1", "u2", "u3"}) let_in({user(name, {0, 2})}, kNow, 1);
  let_in({user("u4", {2, 0})}, kNow, 1);
  EXPECT_EQ(let_in({user("u5", {2, 0})}, kNow + 2 * kMinute, 1), 1);
  EXPECT_EQ(let_in({user("u1", {0, 2})}, kNow + 2 * kMinute, 5), 1);
}

TEST_F(CallerMetersTest, WhoIsRefusedTakesNoPlaceFromOthers) {
  EXPECT_EQ(let_in({role("app", {1, 0})}, kNow, 1), 1);
  for (int i = 0; i < 100; ++i) {
    const std::string name = "u" + std::to_string(i);
    EXPECT_EQ(pick({role("app", {1, 0}), user(name, {5, 0})}, kNow).admission, Admission::kRefused);
  }
  EXPECT_EQ(meters_.readings(kOurs, kFirst).size(), 1u);
}

TEST_F(CallerMetersTest, AClockThatWasWrongForAWhileLocksNobodyOut) {
  const Micros wrong = kNow + 1000 * kDay;
  for (const char* name : {"u1", "u2", "u3", "u4"}) let_in({user(name, {2, 0})}, wrong, 1);
  EXPECT_EQ(pick({user("u5", {2, 0})}, wrong).admission, Admission::kNoMeter);
  EXPECT_EQ(pick({user("u5", {2, 0})}, kNow).admission, Admission::kNoMeter);
  const Micros later = kNow + kGone;
  EXPECT_EQ(let_in({user("u5", {2, 0})}, later, 1), 1);
}

// Against a list of the moments of all picks: never more in any minute or hour than the limit, and
// nobody is refused who has 21/22 of it left.
TEST_F(CallerMetersTest, HoldsAgainstAListOfAllPicks) {
  std::mt19937 source(7);
  const CallerLimit limits[] = {{40, 300}, {25, 0}, {0, 200}};
  const char* names[] = {"u0", "u1", "u2"};
  std::vector<Micros> picks[3];
  Micros now = kNow;
  for (int step = 0; step < 60000; ++step) {
    now += static_cast<Micros>(source() % (2 * kSecond));
    const std::size_t who = source() % 3;
    const CallerLimit limit = limits[who];
    const auto within = [&](Micros span) {
      const auto from = std::lower_bound(picks[who].begin(), picks[who].end(), now - span + 1);
      return static_cast<std::uint32_t>(picks[who].end() - from);
    };
    const CallerVerdict verdict = pick({user(names[who], limit)}, now);
    if (verdict.admission == Admission::kAdmitted) {
      ASSERT_TRUE(limit.per_minute == 0 || within(kMinute) < limit.per_minute);
      ASSERT_TRUE(limit.per_hour == 0 || within(kHour) < limit.per_hour);
      picks[who].push_back(now);
    } else {
      const bool full =
          (limit.per_minute != 0 && within(kGone) >= limit.per_minute) ||
          (limit.per_hour != 0 && within(kHour + HourWindow::kWidth) >= limit.per_hour);
      ASSERT_TRUE(full);
      ASSERT_GT(verdict.stop.free_at, now);
    }
  }
}

}  // namespace
}  // namespace keypool::core
