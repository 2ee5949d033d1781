#include "core/provider.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace keypool::core {
namespace {

TEST(LatencyHistogram, KnowsNothingBeforeTheFirstAnswer) {
  const LatencyHistogram histogram = {};
  EXPECT_EQ(histogram.percentile(0.5), 0);
}

TEST(LatencyHistogram, PercentilesAreRightToWithin20Percent) {
  Random random(1);
  LatencyHistogram histogram = {};
  std::vector<double> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(std::exp2(random.uniform() * 17) * 1.1);  // 1 ms to 2.4 minutes
    histogram.add(all.back());
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.1, 0.5, 0.9, 0.95, 0.99}) {
    const double exact = all[static_cast<std::size_t>(share * static_cast<double>(all.size())) - 1];
    EXPECT_NEAR(histogram.percentile(share) / exact, 1, 0.2) << share;
  }
}

TEST(LatencyHistogram, OneSlowAnswerAmongManyMovesOnlyTheTail) {
  LatencyHistogram histogram = {};
  for (int i = 0; i < 99; ++i) histogram.add(100);
  histogram.add(10'000);
  EXPECT_NEAR(histogram.percentile(0.5), 100, 20);
  EXPECT_NEAR(histogram.percentile(0.99), 100, 20);
  EXPECT_NEAR(histogram.percentile(1), 10'000, 2'000);
}

TEST(LatencyHistogram, TakesAnythingForAnAnswer) {
  LatencyHistogram histogram = {};
  for (const double milliseconds : {0.0, -1.0, 1e300, std::numeric_limits<double>::infinity()}) {
    histogram.add(milliseconds);
  }
  EXPECT_GT(histogram.percentile(0.1), 0);
  EXPECT_LT(histogram.percentile(1), 1e6);
}

}  // namespace
}  // namespace keypool::core
