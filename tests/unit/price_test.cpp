#include "core/price.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr std::int64_t kDollar = 1'000'000'000;
constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();

// Three dollars in, fifteen out, thirty cents cached.
constexpr Price kUsual = {3 * kDollar, 15 * kDollar, kDollar * 3 / 10};

TEST(Price, InputAndOutputArePricedApart) {
  const auto cost = cost_of(kUsual, {.input = 1'000, .output = 200, .cached = 0});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->input_nano, 3'000'000);
  EXPECT_EQ(cost->output_nano, 3'000'000);
  EXPECT_EQ(cost->total_nano(), 6'000'000);
}

TEST(Price, CachedTokensArePartOfTheInput) {
  const auto cost = cost_of(kUsual, {.input = 1'000, .output = 0, .cached = 400});
  EXPECT_EQ(cost->input_nano, 600 * 3'000 + 400 * 300);
}

TEST(Price, WithoutAPriceOfTheirOwnCachedTokensCostWhatOthersDo) {
  const Price price = {3 * kDollar, 15 * kDollar, std::nullopt};
  EXPECT_EQ(cost_of(price, {.input = 1'000, .output = 0, .cached = 400})->input_nano,
            cost_of(price, {.input = 1'000, .output = 0, .cached = 0})->input_nano);
}

TEST(Price, FreeCachedTokensAreFree) {
  EXPECT_EQ(cost_of({kDollar, kDollar, 0}, {.input = 10, .output = 0, .cached = 10})->input_nano,
            0);
}

TEST(Price, MoreCachedThanInputLeavesNothingElseToPay) {
  const auto cost = cost_of(kUsual, {.input = 100, .output = 0, .cached = 500});
  EXPECT_EQ(cost->input_nano, 500 * 300);
}

TEST(Price, NothingUsedCostsNothing) {
  EXPECT_EQ(cost_of(kUsual, {.input = 0, .output = 0, .cached = 0})->total_nano(), 0);
}

TEST(Price, EachPartIsRoundedOnceHalfUp) {
  // A token at so many nano-dollars a million.
  const auto one = [](std::int64_t price) {
    return cost_of({price, 0, std::nullopt}, {.input = 1, .output = 0, .cached = 0})->input_nano;
  };
  EXPECT_EQ(one(499'999), 0);
  EXPECT_EQ(one(500'000), 1);
  EXPECT_EQ(one(1'499'999), 1);
  EXPECT_EQ(one(1'500'000), 2);
  // Fresh and cached input together are one part: halves of both make a whole.
  const Price halves = {300'000, 0, 200'000};
  EXPECT_EQ(cost_of(halves, {.input = 2, .output = 0, .cached = 1})->input_nano, 1);
  // Output is another.
  const Price both = {499'999, 499'999, std::nullopt};
  EXPECT_EQ(cost_of(both, {.input = 1, .output = 1, .cached = 0})->total_nano(), 0);
}

TEST(Price, TheMostTokensAtTheHighestPriceThatFitsDoNotOverflow) {
  const std::int64_t price = kCostLimitNano / 4'000;
  const auto cost = cost_of({price, price, price}, {kMost, kMost, kMost});
  EXPECT_FALSE(cost) << "a million dollars and more are not a cost";
  const auto half = cost_of({price, price, price}, {kMost / 2, kMost / 4, kMost / 2});
  ASSERT_TRUE(half);
  EXPECT_EQ(half->input_nano, 268'435'455'750'000);
  EXPECT_EQ(half->output_nano, 134'217'727'750'000);
}

TEST(Price, AbsurdPricesGiveNoCostInsteadOfAWrongOne) {
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(cost_of({kHighest, kHighest, kHighest}, {kMost, kMost, kMost}));
  EXPECT_FALSE(
      cost_of({kHighest, 0, std::nullopt}, {.input = 1'000'000, .output = 0, .cached = 0}));
  EXPECT_TRUE(cost_of({kHighest, 0, std::nullopt}, {.input = 1, .output = 0, .cached = 0}));
  EXPECT_FALSE(
      cost_of({0, kCostLimitNano, std::nullopt}, {.input = 0, .output = 1'000'000, .cached = 0}));
  EXPECT_TRUE(cost_of({0, kCostLimitNano - 1, std::nullopt},
                      {.input = 0, .output = 1'000'000, .cached = 0}));
}

}  // namespace
}  // namespace keypool::core
