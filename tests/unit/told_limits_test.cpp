#include "core/told_limits.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;

// Every word as it was heard, and what was used since.
class Words {
 public:
  void tell(Micros now, std::int64_t left, Micros until) {
    const Micros end = (std::min(until, now + kLongestWait) + kSecond - 1) / kSecond * kSecond;
    if (until > now) words_.push_back({left, end});
  }
  void use(std::int64_t amount) {
    for (Word& word : words_) word.left -= amount;
  }
  // A word that was over once stays so, and none holds for longer than the longest wait.
  void pass(Micros now) {
    std::erase_if(words_, [now](const Word& word) { return word.until <= now; });
    for (Word& word : words_) word.until = std::min(word.until, now + kLongestWait + kSecond);
  }
  std::int64_t left() const {
    std::int64_t least = ToldLimit::kUntold;
    for (const Word& word : words_) least = std::min(least, word.left);
    return least;
  }
  bool none() const { return words_.empty(); }

 private:
  struct Word {
    std::int64_t left;
    Micros until;
  };
  std::vector<Word> words_;
};

TEST(ToldLimit, SaysNothingUntilItIsTold) {
  ToldLimit told = {};
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(told.left(kNow), ToldLimit::kUntold);
  EXPECT_EQ(told.allows_at(kNow, 1'000'000), kNow);
  EXPECT_EQ(told.next_end(kNow), kNever);
  told.use(kNow, 5);
  EXPECT_EQ(told.left(kNow), ToldLimit::kUntold);
}

TEST(ToldLimit, CountsDownUntilItsReset) {
  ToldLimit told = {};
  told.tell(kNow, 7, kNow + 30 * kSecond);
  for (std::uint32_t left = 7; left > 0; --left) {
    EXPECT_EQ(told.left(kNow + kSecond), left);
    told.use(kNow + kSecond, 1);
  }
  EXPECT_EQ(told.left(kNow + 30 * kSecond - 1), 0u);
  EXPECT_EQ(told.allows_at(kNow + kSecond, 1), kNow + 30 * kSecond);
  EXPECT_EQ(told.left(kNow + 30 * kSecond), ToldLimit::kUntold);
  EXPECT_TRUE(told.empty());
}

TEST(ToldLimit, ALargerRestOrAnEarlierResetLoosensNothing) {
  ToldLimit told = {};
  told.tell(kNow, 7, kNow + 30 * kSecond);
  told.tell(kNow, 100, kNow + 30 * kSecond);
  told.tell(kNow, 8, kNow + kSecond);
  told.tell(kNow, 0, kNow - kSecond);  // over before it is heard
  EXPECT_EQ(told.left(kNow), 7u);
  told.tell(kNow, 7, kNow + 10 * kSecond);
  EXPECT_EQ(told.left(kNow + 29 * kSecond), 7u);
  told.tell(kNow, 3, kNow + 30 * kSecond);
  EXPECT_EQ(told.left(kNow), 3u);
}

TEST(ToldLimit, TheOldWindowAndTheNewOneAreKeptApart) {
  ToldLimit told = {};
  told.tell(kNow, 1, kNow + kSecond);
  told.tell(kNow, 60, kNow + kMinute);
  told.tell(kNow, 59, kNow + kMinute);
  EXPECT_EQ(told.left(kNow), 1u);
  EXPECT_EQ(told.next_end(kNow), kNow + kSecond);
  told.use(kNow, 1);
  EXPECT_EQ(told.allows_at(kNow, 1), kNow + kSecond);
  EXPECT_EQ(told.allows_at(kNow, 59), kNow + kMinute);
  EXPECT_EQ(told.left(kNow + kSecond), 58u);
}

TEST(ToldLimit, AbsurdValuesAreBounded) {
  ToldLimit told = {};
  told.tell(kNow, std::numeric_limits<std::int64_t>::max(), kNever);
  told.use(kNow, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(told.left(kNow), 0u);
  EXPECT_LE(told.allows_at(kNow, 1), kNow + kLongestWait + kSecond);
  told = {};
  told.tell(kNow, -5, kNow + kSecond);
  EXPECT_EQ(told.left(kNow), 0u);
  told = {};
  told.tell(-5 * kDay, 5, -4 * kDay);  // a machine without a clock
  EXPECT_EQ(told.left(-5 * kDay), ToldLimit::kUntold);
}

TEST(ToldLimit, AClockThatWasAheadHoldsNoLongerThanTheLongestWait) {
  ToldLimit told = {};
  told.tell(kNow + 300 * kDay, 0, kNow + 300 * kDay + kMinute);
  EXPECT_EQ(told.left(kNow), 0u);
  EXPECT_LE(told.allows_at(kNow, 1), kNow + kLongestWait + kSecond);
}

TEST(ToldLimit, NeverMoreIsUsedThanAnyWordSaidWhateverTheClockDoes) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto below = [&](std::uint64_t bound) { return random.next() % bound; };
    ToldLimit told = {};
    Words exact;
    Micros now = kNow;
    for (int i = 0; i < 5'000; ++i) {
      now += static_cast<Micros>(below(3'000'000));
      if (below(300) == 0) now += static_cast<Micros>(below(2 * kDay));
      if (below(300) == 0) now -= static_cast<Micros>(below(2 * kDay));
      exact.pass(now);
      if (below(3) == 0) {
        const auto left = static_cast<std::int64_t>(below(50));
        const Micros until = now + static_cast<Micros>(below(90)) * kSecond - 5 * kSecond;
        told.tell(now, left, until);
        exact.tell(now, left, until);
      }
      ASSERT_LE(told.left(now), exact.left());
      if (exact.none()) {
        ASSERT_TRUE(told.empty());
      }
      const std::uint64_t amount = 1 + below(4);
      if (told.left(now) < amount) {
        ASSERT_GT(told.allows_at(now, static_cast<std::uint32_t>(amount)), now);
        continue;
      }
      told.use(now, amount);
      exact.use(static_cast<std::int64_t>(amount));
    }
  }
}

// Answers come late and in any order, but each speaks of the provider's running window.
TEST(ToldLimit, OfAProviderThatCountsInWindowsNothingIsLostButWhatIsUnderWay) {
  constexpr std::int64_t kLimit = 60;
  Random random(3);
  ToldLimit told = {};
  std::int64_t taken = 0;
  constexpr int kMinutes = 50;
  for (int minute = 0; minute < kMinutes; ++minute) {
    std::int64_t used = 0;
    const Micros end = kNow + (minute + 1) * kMinute;
    for (Micros now = end - kMinute; now < end; now += 200 * kMillisecond) {
      if (told.left(now) == 0) continue;
      told.use(now, 1);
      ++taken;
      ++used;
      const auto late = static_cast<std::int64_t>(random.next() % 4);
      told.tell(now, std::min(kLimit, kLimit - used + late), end);
    }
    ASSERT_LE(used, kLimit);
  }
  EXPECT_GE(taken, kMinutes * kLimit * 95 / 100);
}

TEST(ToldLimits, ReadRequestsAndTokensEachWithItsReset) {
  ToldLimits told = {};
  told.tell(kNow, {.limit_requests = 100,
                   .remaining_requests = 75,
                   .remaining_tokens = 500,
                   .reset_requests_at = kNow + kMinute});
  EXPECT_EQ(told.requests.left(kNow), 75u);
  EXPECT_TRUE(told.tokens.empty()) << "a count without a reset has no end";
  EXPECT_NEAR(told.share_used(kNow), 0.25, 0.005);
  told.tell(
      kNow,
      {.limit_tokens = 1'000, .remaining_tokens = 100, .reset_tokens_at = kNow + 2 * kMinute});
  EXPECT_NEAR(told.share_used(kNow), 0.9, 0.005);
  EXPECT_EQ(told.share_used(kNow + 2 * kMinute), 0);
}

TEST(ToldLimits, OfSeveralAnswersTheTighterCounts) {
  ToldLimits told = {};
  told.tell(kNow, {.remaining_requests = 9, .reset_requests_at = kNow + kMinute});
  ToldLimits other = {};
  other.tell(kNow, {.remaining_requests = 5,
                    .remaining_tokens = 70,
                    .reset_requests_at = kNow + kSecond,
                    .reset_tokens_at = kNow + kMinute});
  told.merge(other);
  EXPECT_EQ(told.requests.left(kNow), 5u);
  EXPECT_EQ(told.requests.left(kNow + kSecond), 9u);
  EXPECT_EQ(told.tokens.left(kNow), 70u);
  ToldLimits late = {};
  late.tell(kNow + 2 * kSecond, other);
  EXPECT_TRUE(late.requests.empty()) << "over by the time it is taken in";
  EXPECT_EQ(late.tokens.left(kNow + 2 * kSecond), 70u);
}

}  // namespace
}  // namespace keypool::core
