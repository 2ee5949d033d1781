#include "core/pending_usage.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace keypool::core {
namespace {

UsageDelta requests(std::int64_t count) { return {.requests = count, .tokens = 10 * count}; }

std::map<std::int64_t, std::int64_t> totals(const PendingUsage& pending) {
  std::map<std::int64_t, std::int64_t> sums;
  for (const auto& entry : pending.keys()) sums[entry.key] += entry.value.total.requests;
  return sums;
}

TEST(PendingUsage, AddsUpByKey) {
  PendingUsage pending;
  pending.add(1, 7, requests(1));
  pending.add(1, 8, requests(1));
  pending.add(1, 7, requests(2));
  ASSERT_EQ(pending.keys().size(), 2u);
  EXPECT_EQ(pending.keys()[0].value.total.requests, 3);
  EXPECT_EQ(pending.keys()[0].value.total.tokens, 30);
}

TEST(PendingUsage, ForgetsARolledBackSavepointAndNothingElse) {
  PendingUsage pending;
  pending.add(1, 7, requests(1));
  pending.add(2, 7, requests(10));
  pending.add(2, 8, requests(10));
  pending.settle({.level = 2, .lease_id = 5});
  pending.roll_back(2);
  EXPECT_EQ(totals(pending), (std::map<std::int64_t, std::int64_t>{{7, 1}}));
  EXPECT_TRUE(pending.leases().empty());
}

TEST(PendingUsage, KeepsAReleasedSavepointUntilTheOneAboveIsRolledBack) {
  PendingUsage pending;
  pending.add(2, 7, requests(1));
  pending.add(3, 7, requests(2));
  pending.settle({.level = 3, .lease_id = 5});
  pending.release(3);
  EXPECT_EQ(totals(pending)[7], 3);
  EXPECT_EQ(pending.keys().size(), 1u);
  EXPECT_EQ(pending.leases().front().level, 2);
  pending.roll_back(2);
  EXPECT_TRUE(pending.empty());
}

TEST(PendingUsage, DoesNotGrowWithReleasedSavepoints) {
  PendingUsage pending;
  pending.add(1, 7, requests(1));
  for (int i = 0; i < 1000; ++i) {
    pending.add(2, 7, requests(1));
    pending.release(2);
  }
  EXPECT_EQ(pending.keys().size(), 1u);
  EXPECT_EQ(totals(pending)[7], 1001);
}

TEST(PendingUsage, TheLastOutcomeOfAReleasedSavepointCounts) {
  PendingUsage pending;
  PendingKey& first = pending.add(1, 7, requests(1));
  first.has_outcome = true;
  first.last.failed = true;
  PendingKey& second = pending.add(2, 7, requests(1));
  second.has_outcome = true;
  second.last.failed = false;
  pending.release(2);
  EXPECT_FALSE(pending.keys().front().value.last.failed);
}

TEST(PendingUsage, SpendingOfYesterdayIsNotTodays) {
  PendingUsage pending;
  pending.add(1, 7, {.cost_nano = 5, .cost_today_nano = 5, .day = 100});
  pending.add(1, 7, {.cost_nano = 3, .cost_today_nano = 3, .day = 101});
  EXPECT_EQ(pending.keys().front().value.total.cost_nano, 8);
  EXPECT_EQ(pending.keys().front().value.total.cost_today_nano, 3);
}

// Random savepoints against the plain model: a stack of maps.
TEST(PendingUsage, AgreesWithAStackOfMaps) {
  std::mt19937 random(20261121);
  for (int run = 0; run < 200; ++run) {
    PendingUsage pending;
    std::vector<std::map<std::int64_t, std::int64_t>> stack(1);
    for (int step = 0; step < 200; ++step) {
      const int level = static_cast<int>(stack.size());
      switch (random() % 6) {
        case 0:
          if (level < 8) stack.emplace_back();
          break;
        case 1:
          if (level > 1) {
            for (const auto& [key, count] : stack.back()) stack[level - 2][key] += count;
            stack.pop_back();
            pending.release(level);
          }
          break;
        case 2:
          if (level > 1) {
            stack.pop_back();
            pending.roll_back(level);
          }
          break;
        default: {
          const std::int64_t key = static_cast<std::int64_t>(random() % 5);
          pending.add(level, key, requests(1));
          stack.back()[key] += 1;
        }
      }
      std::map<std::int64_t, std::int64_t> expected;
      for (const auto& one : stack) {
        for (const auto& [key, count] : one) expected[key] += count;
      }
      ASSERT_EQ(totals(pending), expected);
    }
  }
}

}  // namespace
}  // namespace keypool::core
