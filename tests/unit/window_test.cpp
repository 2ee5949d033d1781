#include "core/window.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <vector>

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

// Events and when they count from. The list that must be counted forgets what is older than the
// window; the one that may be, what is a bucket older than that.
class EventList {
 public:
  struct Event {
    Micros counts_from;
    Micros made_at;
    std::uint32_t times;
  };

  explicit EventList(Micros remembered) : remembered_(remembered) {}
  void add(const Event& event) { events_.push_back(event); }
  void forget_old(Micros now) {
    std::erase_if(events_,
                  [&](const Event& event) { return event.counts_from <= now - remembered_; });
  }
  // The clock was set right: what is counted has just happened. It is taken back no more.
  void restart(Micros now) {
    for (Event& event : events_) event = {now, kNever, event.times};
  }
  bool take(const Event& taken) {
    return std::erase_if(events_, [&](const Event& event) {
             return event.made_at == taken.made_at && event.times == taken.times &&
                    event.counts_from == taken.counts_from;
           }) != 0;
  }
  std::uint64_t sum() const {
    std::uint64_t total = 0;
    for (const Event& event : events_) total += event.times;
    return total;
  }
  const std::vector<Event>& events() const { return events_; }

 private:
  Micros remembered_;
  std::vector<Event> events_;
};

// A window beside the two lists.
template <typename Counting, Micros kLength>
class Comparison {
 public:
  explicit Comparison(std::uint64_t seed) : random_(seed) {}

  void step() {
    move_clock();
    const std::uint64_t what = random_.next() % 4;
    if (what < 2) {
      const auto times = static_cast<std::uint32_t>(1 + random_.next() % 5);
      window_.add(now_, times);
      must_.add({latest_, now_, times});
      may_.add({latest_, now_, times});
    } else if (what == 2 && !must_.events().empty()) {
      take_one_back();
    }
    ASSERT_GE(window_.count(now_), must_.sum());
    ASSERT_LE(window_.count(now_), may_.sum());
  }

 private:
  void move_clock() {
    const auto leap = [this](Micros scale) {
      return static_cast<Micros>(random_.uniform() * static_cast<double>(scale));
    };
    switch (random_.next() % 200) {
      case 0:
        now_ += leap(30 * kDay);
        break;
      case 1:
        now_ -= leap(5 * kDay);
        break;
      case 2:
        now_ -= leap(kLength);
        break;
      default:
        now_ += leap(random_.next() % 10 == 0 ? kLength : kLength / 50);
    }
    if (now_ / Counting::kWidth <= latest_ / Counting::kWidth - Counting::kBuckets) {
      must_.restart(now_);
      may_.restart(now_);
      latest_ = now_;
    }
    latest_ = std::max(latest_, now_);
    must_.forget_old(latest_);
    may_.forget_old(latest_);
  }

  void take_one_back() {
    const EventList::Event event = must_.events()[random_.next() % must_.events().size()];
    if (event.made_at == kNever) return;
    window_.take_back(event.made_at, event.times);
    must_.take(event);
    // Made while the clock was behind, it was counted in a later bucket than it is taken from.
    if (event.made_at == event.counts_from) may_.take(event);
  }

  Random random_;
  Micros now_ = kNow;
  Micros latest_ = kNow;
  Counting window_ = {};
  EventList must_{kLength};
  EventList may_{Counting::kBuckets * Counting::kWidth};
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

TEST(Window, CountsNoLessThanAListOfEventsAndNoMoreThanABucketLonger) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Comparison<MinuteWindow, kMinute> minute(seed);
    Comparison<HourWindow, kHour> hour(seed + 100);
    for (int i = 0; i < 5'000 && !HasFatalFailure(); ++i) {
      minute.step();
      hour.step();
    }
  }
}

TEST(Window, AtLeast95PercentOfAnyLimitIsUsableHoweverRequestsArrive) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Random random(seed);
    const std::uint64_t limit = 20 + random.next() % 2'000;
    HourWindow window = {};
    std::uint64_t passed = 0;
    constexpr int kHours = 60;
    const Micros end = kNow + kHours * kHour;
    for (Micros now = kNow; now < end; now += static_cast<Micros>(random.uniform() * 2e6)) {
      // In bursts, and always more than may pass.
      for (std::uint64_t i = random.next() % 8; i-- > 0 && window.count(now) < limit; ++passed) {
        window.add(now, 1);
      }
    }
    EXPECT_GE(static_cast<double>(passed), 0.95 * static_cast<double>(limit) * kHours)
        << "limit " << limit;
  }
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
  EXPECT_EQ(window.count(kNow + 10 * kSecond), 0u);
  EXPECT_EQ(window.count(kNow + 2 * kMinute), 0u);
}

// Of two processes the one whose clock was read first may count last: its events are in the bucket
// of the other, and must not stay there when it takes them back.
TEST(Window, TakesBackWhatALateClockHadCounted) {
  MinuteWindow window = {};
  window.add(kNow, 3);
  window.add(kNow - 10 * kSecond, 4);
  window.take_back(kNow - 10 * kSecond, 4);
  EXPECT_EQ(window.count(kNow), 3u);
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
