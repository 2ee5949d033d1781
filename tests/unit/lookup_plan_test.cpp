#include "worker/lookup_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace keypool::worker {
namespace {

using core::kMillisecond;

constexpr LookupRules kRules = {3, 100 * kMillisecond};
constexpr core::Micros kStart = 1'000 * core::kSecond;

// Time passes from one due lookup to the next; nothing is ever found.
class Clockwork {
 public:
  // The moments of all lookups, in milliseconds since the start, until nothing is due in time.
  std::vector<core::Micros> run(const std::vector<WaitingRow>& waiting, core::Micros until) {
    std::vector<core::Micros> moments;
    while (plan.next() <= until) {
      const core::Micros now = plan.next();
      plan.take(waiting, kRules, now);
      lookups = plan.due(waiting, kRules, now);
      plan.attempted(lookups, kRules, now);
      moments.push_back((now - kStart) / kMillisecond);
    }
    return moments;
  }

  LookupPlan plan;
  DueLookups lookups;
};

TEST(LookupPlan, LooksAfterPausesThatDouble) {
  const std::vector<WaitingRow> rows = {{1, "aa"}};
  Clockwork clock;
  clock.plan.take(rows, kRules, kStart);
  EXPECT_TRUE(clock.plan.due(rows, kRules, kStart).rows.empty());
  EXPECT_EQ(clock.run(rows, kStart + 700 * kMillisecond),
            (std::vector<core::Micros>{100, 300, 700}));
  ASSERT_EQ(clock.lookups.rows.size(), 1u);
  EXPECT_EQ(clock.lookups.rows[0].attempt, 3);
  EXPECT_TRUE(clock.lookups.rows[0].last);
}

TEST(LookupPlan, NothingIsDueWhenNobodyWaits) {
  LookupPlan plan;
  EXPECT_EQ(plan.next(), core::kNever);
  plan.take({{1, "aa"}}, kRules, kStart);
  EXPECT_EQ(plan.next(), kStart + 100 * kMillisecond);
  plan.take({}, kRules, kStart);
  EXPECT_EQ(plan.next(), core::kNever);
}

TEST(LookupPlan, AFingerprintOfManyRowsIsLookedUpOnce) {
  std::vector<WaitingRow> rows;
  for (std::int64_t id = 1; id <= 1000; ++id) rows.push_back({id, id % 2 == 0 ? "aa" : "bb"});
  LookupPlan plan;
  plan.take(rows, kRules, kStart);
  const DueLookups lookups = plan.due(rows, kRules, kStart + 100 * kMillisecond);
  EXPECT_EQ(lookups.rows.size(), 1000u);
  ASSERT_EQ(lookups.fingerprints.size(), 2u);
  for (const DueLookup& row : lookups.rows) {
    EXPECT_EQ(lookups.fingerprints[row.fingerprint], row.id % 2 == 0 ? "aa" : "bb");
  }
}

TEST(LookupPlan, ARowThatComesLaterHasAllItsAttempts) {
  const std::vector<WaitingRow> first = {{1, "aa"}};
  const std::vector<WaitingRow> both = {{1, "aa"}, {2, "aa"}};
  LookupPlan plan;
  plan.take(first, kRules, kStart);
  const core::Micros later = kStart + 100 * kMillisecond;
  plan.take(both, kRules, later);
  const DueLookups lookups = plan.due(both, kRules, later);
  ASSERT_EQ(lookups.rows.size(), 1u);
  EXPECT_EQ(lookups.rows[0].id, 1);
  plan.attempted(lookups, kRules, later);
  EXPECT_EQ(plan.next(), later + 100 * kMillisecond) << "of the second row";
}

TEST(LookupPlan, AnAttemptThatWasNotMadeCountsForNothing) {
  const std::vector<WaitingRow> rows = {{1, "aa"}};
  LookupPlan plan;
  plan.take(rows, kRules, kStart);
  const core::Micros now = kStart + 100 * kMillisecond;
  EXPECT_EQ(plan.due(rows, kRules, now).rows[0].attempt, 1);
  EXPECT_EQ(plan.due(rows, kRules, now + 1).rows[0].attempt, 1);
}

TEST(LookupPlan, ARowThatStaysLockedIsTriedEverMoreSeldom) {
  const std::vector<WaitingRow> rows = {{1, "aa"}};
  Clockwork clock;
  clock.plan.take(rows, kRules, kStart);
  const std::vector<core::Micros> moments = clock.run(rows, kStart + core::kDay);
  EXPECT_LT(moments.size(), 45u) << "an hour apart in the end";
  EXPECT_TRUE(std::is_sorted(moments.begin(), moments.end()));
  EXPECT_TRUE(clock.lookups.rows[0].last);
}

TEST(LookupPlan, OneAttemptIsTheLast) {
  const std::vector<WaitingRow> rows = {{1, "aa"}};
  const LookupRules once = {1, 10 * kMillisecond};
  LookupPlan plan;
  plan.take(rows, once, kStart);
  EXPECT_TRUE(plan.due(rows, once, kStart + core::kSecond).rows[0].last);
}

}  // namespace
}  // namespace keypool::worker
