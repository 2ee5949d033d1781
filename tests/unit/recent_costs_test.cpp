#include "core/recent_costs.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace keypool::core {
namespace {

TEST(RecentCosts, KnowsNothingOfWhatItHasNotSeen) {
  const auto costs = std::make_unique<RecentCosts>();
  EXPECT_FALSE(costs->estimate(17));
  costs->note(17, 1000);
  EXPECT_FALSE(costs->estimate(18));
}

TEST(RecentCosts, EstimatesAboveNearlyAllOfWhatCameBefore) {
  const auto costs = std::make_unique<RecentCosts>();
  for (int i = 0; i < 1000; ++i) costs->note(5, 1000 + i % 100);
  const std::int64_t estimate = costs->estimate(5).value();
  EXPECT_GT(estimate, 1099);
  EXPECT_LT(estimate, 1300);
}

TEST(RecentCosts, FollowsAChangeOfPrices) {
  const auto costs = std::make_unique<RecentCosts>();
  for (int i = 0; i < 100; ++i) costs->note(5, 1000);
  for (int i = 0; i < 100; ++i) costs->note(5, 10);
  EXPECT_LT(costs->estimate(5).value(), 20);
}

}  // namespace
}  // namespace keypool::core
