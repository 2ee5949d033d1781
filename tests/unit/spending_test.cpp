#include "core/spending.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace keypool::core {
namespace {

constexpr Micros kNow = 800'000'000 * kSecond;

TEST(Spending, OfAPeriodCountsWhatLiesInIt) {
  Spending spending = {};
  spending.begin(kNow, kNow + kDay, 0, 0);
  spending.add(kNow, 5, kNow);
  spending.add(kNow + kDay - 1, 7, kNow);
  spending.add(kNow - 1, 100, kNow);
  spending.add(kNow + kDay, 100, kNow);
  EXPECT_EQ(spending.total(kNow + kHour), 12);
  spending.add(kNow, -5, kNow);
  EXPECT_EQ(spending.total(kNow + kHour), 7);
}

TEST(Spending, StopsAtTheEndsOfWhatANumberHolds) {
  Spending spending = {};
  spending.begin(kNow, kNow + kDay, 0, 0);
  spending.add(kNow, std::numeric_limits<std::int64_t>::max(), kNow);
  spending.add(kNow, 1, kNow);
  EXPECT_EQ(spending.total(kNow), std::numeric_limits<std::int64_t>::max());
}

TEST(Spending, OfARollingWindowIgnoresWhatLiesFarAhead) {
  Spending spending = {};
  const Micros window = kDay;
  spending.begin(0, kNever, rolling_step(window), rolling_steps(window));
  spending.add(kNow, 5, kNow);
  spending.add(kNow + 100 * kDay, 7, kNow);
  EXPECT_EQ(spending.total(kNow), 5);
}

struct Event {
  Micros at;
  std::int64_t nano;
};

// Against a list of everything that happened: never less than the window holds, and never more than
// the window and one step.
TEST(Spending, OfARollingWindowNeverForgetsAndNeverKeepsLongerThanAStep) {
  std::mt19937_64 random(7);
  for (const Micros window : {kHour, 6 * kHour, kDay, 30 * kDay}) {
    Spending spending = {};
    const Micros step = rolling_step(window);
    ASSERT_LE(rolling_steps(window), kRollingSteps);
    spending.begin(0, kNever, step, rolling_steps(window));
    std::vector<Event> events;
    Micros now = kNow;
    for (int i = 0; i < 3000; ++i) {
      now += static_cast<Micros>(random() % static_cast<std::uint64_t>(window / 50));
      const Micros late = static_cast<Micros>(random() % 3) * (window / 4);
      const auto nano = static_cast<std::int64_t>(random() % 1000);
      // As the log does: in quarters of an hour.
      spending.add(request_bucket(now - late), nano, now);
      events.push_back({now - late, nano});
      std::int64_t least = 0;
      std::int64_t most = 0;
      for (const Event& event : events) {
        if (event.at > now - window) least += event.nano;
        if (event.at > now - window - 2 * step) most += event.nano;
      }
      const std::int64_t total = spending.total(now);
      ASSERT_GE(total, least) << "window " << window << " event " << i;
      ASSERT_LE(total, most) << "window " << window << " event " << i;
    }
  }
}

TEST(Spending, OfARollingWindowFallsWhenItSays) {
  Spending spending = {};
  const Micros step = rolling_step(kDay);
  spending.begin(0, kNever, step, rolling_steps(kDay));
  spending.add(kNow, 10, kNow);
  spending.add(kNow + 5 * kHour, 20, kNow + 5 * kHour);
  const Micros now = kNow + 6 * kHour;
  const Micros first = spending.falls_to(now, 20);
  EXPECT_EQ(spending.total(first - 1), 30);
  EXPECT_EQ(spending.total(first), 20);
  EXPECT_GE(first, kNow + kDay);
  const Micros second = spending.falls_to(first, 0);
  EXPECT_EQ(spending.total(second), 0);
}

}  // namespace
}  // namespace keypool::core
