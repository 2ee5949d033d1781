#include "core/window.hpp"

#include <algorithm>
#include <deque>
#include <limits>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;
constexpr Micros kMinuteStep = MinuteWindow::kWidth;

// The exact rolling count.
class Timestamps {
 public:
  void add(Micros now) { times_.push_back(now); }
  std::uint64_t within(Micros now, Micros length) const {
    return static_cast<std::uint64_t>(std::count_if(
        times_.begin(), times_.end(), [&](Micros time) { return time > now - length; }));
  }
  void forget_before(Micros time) {
    while (!times_.empty() && times_.front() < time) times_.pop_front();
  }

 private:
  std::deque<Micros> times_;
};

// Gaps from none to several windows.
Micros random_gap(Random& random) {
  constexpr Micros kScales[] = {0, 1'000, 100'000, kSecond, 10 * kSecond, kMinute, 5 * kMinute};
  const Micros scale = kScales[random.next() % 7];
  return static_cast<Micros>(random.uniform() * static_cast<double>(scale));
}

TEST(Window, NeverLetsMoreThanTheLimitPassInAnyRollingWindow) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const std::uint64_t limit = 1 + random.next() % 40;
    MinuteWindow window = {};
    Timestamps passed;
    Micros now = kNow;
    for (int i = 0; i < 5'000; ++i) {
      now += random_gap(random);
      if (window.count(now) >= limit) continue;
      window.add(now, 1);
      passed.add(now);
      passed.forget_before(now - 10 * kMinute);
      ASSERT_LE(passed.within(now, kMinute), limit) << "seed " << seed << ", event " << i;
    }
  }
}

TEST(Window, NeverUnderCountsAndForgetsWithinOneBucket) {
  Random random(7);
  MinuteWindow window = {};
  Timestamps exact;
  Micros now = kNow;
  for (int i = 0; i < 20'000; ++i) {
    now += random_gap(random) / 20;
    if (random.next() % 2 == 0) {
      window.add(now, 1);
      exact.add(now);
    }
    exact.forget_before(now - 2 * kMinute);
    ASSERT_GE(window.count(now), exact.within(now, kMinute));
    ASSERT_LE(window.count(now), exact.within(now, MinuteWindow::kBuckets * kMinuteStep));
  }
}

TEST(Window, TheLimitHoldsWhileTheClockStepsBack) {
  Random random(11);
  constexpr std::uint64_t kLimit = 20;
  MinuteWindow window = {};
  Timestamps passed;
  Micros latest = kNow;
  Micros now = kNow;
  for (int i = 0; i < 20'000; ++i) {
    now += random_gap(random) / 10;
    if (random.next() % 50 == 0) now -= static_cast<Micros>(random.uniform() * 30e6);
    latest = std::max(latest, now);
    if (window.count(now) >= kLimit) continue;
    window.add(now, 1);
    passed.add(latest);  // no event is older than the latest moment seen
    passed.forget_before(latest - 5 * kMinute);
    ASSERT_LE(passed.within(latest, kMinute), kLimit);
  }
}

TEST(Window, AClockThatWasDaysAheadHoldsNoLongerThanOneWindow) {
  MinuteWindow window = {};
  window.add(kNow + 5 * kDay, 10);
  EXPECT_EQ(window.count(kNow), 10u) << "what just happened is not forgotten";
  const Micros free_at = window.falls_to(kNow, 0);
  EXPECT_GT(free_at, kNow + kMinute);
  EXPECT_LE(free_at, kNow + kMinute + 2 * kMinuteStep);
  EXPECT_EQ(window.count(free_at), 0u);
}

TEST(Window, AtLeast95PercentOfTheLimitIsUsable) {
  constexpr std::uint64_t kLimit = 1'000;
  MinuteWindow window = {};
  std::uint64_t passed = 0;
  constexpr int kMinutes = 50;
  for (Micros now = kNow; now < kNow + kMinutes * kMinute; now += 10'000) {
    if (window.count(now) >= kLimit) continue;
    window.add(now, 1);
    ++passed;
  }
  EXPECT_GE(static_cast<double>(passed), 0.95 * kLimit * kMinutes);
}

TEST(Window, FallsToTellsTheMomentExactly) {
  Random random(3);
  MinuteWindow window = {};
  Timestamps exact;
  Micros now = kNow;
  for (int i = 0; i < 5'000; ++i) {
    now += random_gap(random) / 10;
    window.add(now, 1 + random.next() % 3);
    const std::uint64_t allowed = random.next() % (window.count(now) + 2);
    const Micros at = window.falls_to(now, allowed);
    ASSERT_GE(at, now);
    MinuteWindow later = window;
    ASSERT_LE(later.count(at), allowed);
    if (at == now) continue;
    MinuteWindow earlier = window;
    ASSERT_GT(earlier.count(at - 1), allowed);
  }
}

TEST(Window, FallsToIsLateByOneBucketAtMost) {
  MinuteWindow window = {};
  for (Micros offset = 0; offset < 3 * kMinuteStep; offset += kMinuteStep / 5) {
    window = {};
    window.add(kNow + offset, 1);
    const Micros at = window.falls_to(kNow + offset, 0);
    EXPECT_GE(at, kNow + offset + kMinute);
    EXPECT_LE(at, kNow + offset + kMinute + kMinuteStep + kMillisecond);
  }
}

TEST(Window, NothingIsDueWhenTheCountIsLowAlready) {
  MinuteWindow window = {};
  EXPECT_EQ(window.falls_to(kNow, 0), kNow);
  window.add(kNow, 5);
  EXPECT_EQ(window.falls_to(kNow, 5), kNow);
}

TEST(Window, CountsFallAtNextStepsOnly) {
  Random random(5);
  MinuteWindow window = {};
  Micros now = kNow;
  for (int i = 0; i < 1'000; ++i) {
    now += random_gap(random) / 10;
    window.add(now, 1);
    const std::uint64_t count = window.count(now);
    ASSERT_GT(MinuteWindow::next_step(now), now);
    ASSERT_EQ(window.count(MinuteWindow::next_step(now) - 1), count);
  }
}

TEST(Window, TakesBackWhatWasAdded) {
  MinuteWindow window = {};
  window.add(kNow, 3);
  window.add(kNow + 10 * kSecond, 4);
  window.take_back(kNow, 2);
  EXPECT_EQ(window.count(kNow + 10 * kSecond), 5u);
  window.take_back(kNow, 100);  // no more than there is
  EXPECT_EQ(window.count(kNow + 10 * kSecond), 4u);
  EXPECT_EQ(window.count(kNow + 2 * kMinute), 0u);
}

TEST(Window, TakesNothingBackThatHasLeft) {
  MinuteWindow window = {};
  window.add(kNow, 3);
  window.add(kNow + 70 * kSecond, 4);
  window.take_back(kNow, 3);
  EXPECT_EQ(window.count(kNow + 70 * kSecond), 4u);
  window.take_back(kNow + 90 * kSecond, 4);  // never added there
  EXPECT_EQ(window.count(kNow + 90 * kSecond), 4u);
}

TEST(Window, ALongGapEmptiesIt) {
  HourWindow window = {};
  window.add(kNow, 1'000);
  EXPECT_EQ(window.count(kNow + kHour), 1'000u);
  EXPECT_EQ(window.count(kNow + 30 * kDay), 0u);
}

TEST(Window, MoreThanABucketCanCountLeavesNoResidue) {
  MinuteWindow window = {};
  for (int i = 0; i < 5; ++i) window.add(kNow, std::numeric_limits<std::int32_t>::max());
  EXPECT_GE(window.count(kNow), std::uint64_t{std::numeric_limits<std::uint32_t>::max()});
  EXPECT_EQ(window.count(kNow + 2 * kMinute), 0u);
}

TEST(Window, WorksBeforeTheYear2000) {
  // What a machine without a clock believes at its start.
  const Micros start = kUnixEpoch;
  MinuteWindow window = {};
  for (Micros now = start; now < start + 10 * kMinute; now += 777'777) {
    window.add(now, 1);
    ASSERT_LE(window.count(now), 22 * kMinuteStep / 777'777 + 1);
    ASSERT_GT(window.falls_to(now, 0), now + kMinute - kSecond);
  }
  EXPECT_EQ(window.count(start + 12 * kMinute), 0u);
}

}  // namespace
}  // namespace keypool::core
