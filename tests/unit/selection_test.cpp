#include "core/selection.hpp"

#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "selection_fixture.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = kStart;

TEST_F(SelectionTest, AnEmptyGroupGivesNothing) {
  publish({key_row(1)});
  all.user("u1", {});
  EXPECT_EQ(all.take(all.pool.group(all.find(OwnerKind::kUser, "u1")), {}, kNow), 0);
}

// --- round robin

TEST_F(SelectionTest, RoundRobinGoesThroughEqualKeysInOrder) {
  with_weights({1, 1, 1});
  EXPECT_EQ(take_many(7), (Ids{1, 2, 3, 1, 2, 3, 1}));
}

TEST_F(SelectionTest, RoundRobinGivesExactSharesInEveryCycle) {
  with_weights({5, 1, 1});
  for (int cycle = 0; cycle < 1'000; ++cycle) {
    ASSERT_EQ(shares(take_many(7)), (std::map<std::int64_t, int>{{1, 5}, {2, 1}, {3, 1}}));
  }
}

TEST_F(SelectionTest, RoundRobinIsSmooth) {
  for (const auto& weights :
       {std::vector<double>{5, 1, 1}, std::vector<double>{1, 5, 1}, std::vector<double>{1, 1, 5}}) {
    with_weights(weights);
    EXPECT_LE(longest_run(take_many(700)), 3) << "five between two others: three and two";
    all.mirror({provider_row("openai")}, {});
  }
}

TEST_F(SelectionTest, RoundRobinKeepsManyWeightsCloseToTheirShares) {
  const std::vector<double> weights = {0.5, 1, 2, 3, 7, 0.001, 1000, 12.34};
  with_weights(weights);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> counts(weights.size());
  for (int i = 1; i <= 20'000; ++i) {
    counts[static_cast<std::size_t>(all.take() - 1)] += 1;
    for (std::size_t key = 0; key < weights.size(); ++key) {
      ASSERT_NEAR(counts[key], i * weights[key] / sum, 4) << "key " << key + 1 << ", pick " << i;
    }
  }
}

TEST_F(SelectionTest, AKeyThatComesBackIsNotHammeredToCatchUp) {
  for (const Strategy strategy :
       {Strategy::kRoundRobin, Strategy::kLeastBusy, Strategy::kLowestLatency}) {
    with_weights({1, 1, 1}, strategy);
    take_many(9);
    all.fail(2, {.kind = FailureClass::kCredential}, kNow);
    EXPECT_EQ(shares(take_many(3'000)).count(2), 0u);
    all.report(2, kNow,
               [](Slot& slot, Provider& provider) { note_check_passed(slot, provider, kNow); });
    const std::vector<std::int64_t> after = take_many(30);
    EXPECT_NEAR(shares(after)[2], 10, 1) << name(strategy);
    EXPECT_LE(longest_run(after), 2) << name(strategy);
  }
}

TEST_F(SelectionTest, ANewKeyIsNotHammeredToCatchUp) {
  for (const Strategy strategy : {Strategy::kRoundRobin, Strategy::kLeastBusy,
                                  Strategy::kLowestLatency, Strategy::kUsageBased}) {
    publish({key_row(1), key_row(3)}, strategy);
    take_many(10'000);
    publish({key_row(1), key_row(2), key_row(3)}, strategy);
    const std::vector<std::int64_t> after = take_many(30);
    EXPECT_NEAR(shares(after)[2], 10, 1) << name(strategy);
    EXPECT_LE(longest_run(after), 2) << name(strategy);
  }
}

TEST_F(SelectionTest, AKeyPassedOverForItsModelIsNotHammeredLater) {
  KeyRow first = key_row(1);
  first.slot.config.models[0] = model_rule("gpt-4");
  KeyRow second = key_row(2);
  second.slot.config.models[0] = model_rule("gpt-5");
  publish({first, second});
  take_many(1'000, {.model = "gpt-4"});
  EXPECT_LE(longest_run(take_many(20)), 2);
}

TEST_F(SelectionTest, TurnsGoOnForEverWithoutOverflow) {
  with_weights({0.001, 0.002});
  take_many(3);
  // As if after years: just before the counter starts again.
  const std::uint64_t far = (std::uint64_t{1} << 62) - 1'000;
  for (const std::int64_t id : {1, 2}) all.slot(id).turn += far;
  all.system_group().turn += far;
  all.system_group().wake_at = kUnranked;
  const std::vector<std::int64_t> taken = take_many(3'000);
  EXPECT_NEAR(shares(taken)[1], 1'000, 2);
  EXPECT_LE(longest_run(taken), 3);
  EXPECT_LT(all.system_group().turn, far);
}

// --- the other strategies

TEST_F(SelectionTest, RandomFollowsTheWeights) {
  with_weights({5, 1, 2}, Strategy::kRandom);
  constexpr int kPicks = 80'000;
  const auto counts = shares(take_many(kPicks));
  const std::array<double, 3> expected = {5.0 / 8, 1.0 / 8, 2.0 / 8};
  double chi_square = 0;
  for (int i = 0; i < 3; ++i) {
    const double mean = expected[i] * kPicks;
    chi_square += std::pow(counts.at(i + 1) - mean, 2) / mean;
  }
  EXPECT_LT(chi_square, 13.8) << "99.9 % of fair ones, two degrees of freedom";
}

TEST_F(SelectionTest, RandomHasNoMemory) {
  with_weights({1, 1}, Strategy::kRandom);
  const std::vector<std::int64_t> taken = take_many(40'000);
  int same = 0;
  for (std::size_t i = 1; i < taken.size(); ++i) same += taken[i] == taken[i - 1] ? 1 : 0;
  EXPECT_NEAR(same, 20'000, 400) << "four standard deviations";
}

TEST_F(SelectionTest, LeastUsedTakesTheFewestRequestsOfTheLastHour) {
  with_weights({1, 1, 1}, Strategy::kLeastUsed);
  all.slot(1).hour.add(kNow, 5);
  all.slot(2).hour.add(kNow, 3);
  all.slot(3).hour.add(kNow, 4);
  EXPECT_EQ(all.take(), 2);
  EXPECT_EQ(shares(take_many(5)), (std::map<std::int64_t, int>{{1, 1}, {2, 2}, {3, 2}}));
}

TEST_F(SelectionTest, LeastUsedForgetsWhatIsOverAnHourOld) {
  with_weights({1, 1}, Strategy::kLeastUsed);
  all.slot(1).hour.add(kNow, 1'000);
  EXPECT_EQ(shares(take_many(100)), (std::map<std::int64_t, int>{{2, 100}}));
  const Micros later = kNow + 2 * kHour;
  EXPECT_EQ(shares(take_many(100, {}, later)), (std::map<std::int64_t, int>{{1, 50}, {2, 50}}));
}

TEST_F(SelectionTest, CostOptimizedTakesTheLowestSpendOfTheDay) {
  with_weights({1, 1, 1}, Strategy::kCostOptimized);
  for (const std::int64_t id : {1, 2, 3}) {
    all.slot(id).usage.cost_day = static_cast<std::int32_t>(kNow / kDay);
    all.slot(id).usage.cost_today_nano = 10 - id;
  }
  EXPECT_EQ(all.take(), 3);
  EXPECT_EQ(all.take({.cost_nano = 5, .lease = true}), 3);
  EXPECT_EQ(all.take(), 2) << "what leases reserve counts";
  const auto tomorrow = shares(take_many(100, {}, next_midnight(kNow)));
  EXPECT_EQ(tomorrow.count(3), 0u) << "reserved still";
  EXPECT_NEAR(tomorrow.at(1), 50, 1) << "what was spent is forgotten at midnight";
}

TEST_F(SelectionTest, SingleTakesTheFirstEligibleInOrder) {
  with_weights({1, 100, 100}, Strategy::kSingle);
  EXPECT_EQ(take_many(3), (Ids{1, 1, 1}));
  all.fail(1, {.kind = FailureClass::kRateLimit, .retry_at = kNow + kMinute}, kNow);
  EXPECT_EQ(take_many(3), (Ids{2, 2, 2}));
  EXPECT_EQ(all.take({}, kNow + kMinute), 1) << "the one that is back comes first again";
}

TEST_F(SelectionTest, LeastBusyTakesTheFewestInFlight) {
  with_weights({1, 1}, Strategy::kLeastBusy);
  const Wish lease = {.lease = true};
  EXPECT_EQ(take_many(3, lease), (Ids{1, 2, 1}));
  EXPECT_EQ(all.take(lease), 2);
  all.give_back(1, {}, false, kNow);
  all.give_back(1, {}, false, kNow);
  EXPECT_EQ(take_many(2, lease), (Ids{1, 1}));
}

TEST_F(SelectionTest, LowestLatencyTakesTheFastestAndTurnsAmongEquals) {
  with_weights({1, 1, 1}, Strategy::kLowestLatency);
  all.slot(1).usage.latency_ms = 900;
  all.slot(2).usage.latency_ms = 300;
  all.slot(3).usage.latency_ms = 301;
  EXPECT_EQ(shares(take_many(10)), (std::map<std::int64_t, int>{{2, 5}, {3, 5}}));
}

TEST_F(SelectionTest, UsageBasedTakesTheLargestShareOfItsTightestLimitLeft) {
  KeyRow small = key_row(1);
  small.slot.config.limits.requests_per_hour = 10;
  KeyRow large = key_row(2);
  large.slot.config.limits.requests_per_hour = 1'000;
  large.slot.config.limits.requests_per_minute = 90;
  publish({small, large}, Strategy::kUsageBased);
  EXPECT_EQ(shares(take_many(50)), (std::map<std::int64_t, int>{{1, 5}, {2, 45}}));
}

// --- wishes

TEST_F(SelectionTest, ModelRulesLetThroughWhatTheyName) {
  KeyRow whole = key_row(1);
  whole.slot.config.models = {model_rule("gpt-4o"), model_rule("gpt-5")};
  KeyRow prefix = key_row(2);
  prefix.slot.config.models = {model_rule("claude-*")};
  publish({whole, prefix, key_row(3)}, Strategy::kSingle);
  EXPECT_EQ(all.take({.model = "gpt-5"}), 1);
  EXPECT_EQ(all.take({.model = "claude-sonnet"}), 2);
  EXPECT_EQ(all.take({.model = "gpt-4o-mini"}), 3);
  EXPECT_EQ(all.take(), 1) << "no model named: any key";
  EXPECT_EQ(standing_of(all.slot(2), {.model = "gpt-5"}, kNow).blocked, Blocked::kModel);
}

TEST_F(SelectionTest, AModelBlockedForAKeyGoesToAnother) {
  publish({key_row(1), key_row(2)}, Strategy::kSingle);
  all.take();
  all.fail(1, {.kind = FailureClass::kModelAccess, .model = text_hash("gpt-5")}, kNow);
  EXPECT_EQ(all.take({.model = "gpt-5"}), 2);
  EXPECT_EQ(all.take({.model = "gpt-4"}), 1);
  EXPECT_EQ(all.take(), 1);
  EXPECT_EQ(all.take({.model = "gpt-5"}, kNow + kModelBlockTime), 1);
}

TEST_F(SelectionTest, ARegionIsMetByItsKeysAndByThoseOfNone) {
  KeyRow eu = key_row(1);
  eu.slot.config.region = text_hash("eu");
  KeyRow us = key_row(2);
  us.slot.config.region = text_hash("us");
  publish({eu, us}, Strategy::kSingle);
  EXPECT_EQ(all.take({.region = text_hash("us")}), 2);
  EXPECT_EQ(all.take({.region = text_hash("asia")}), 0);
  EXPECT_EQ(all.take(), 1);
  publish({eu, us, key_row(3)}, Strategy::kSingle);
  EXPECT_EQ(all.take({.region = text_hash("asia")}), 3);
}

TEST_F(SelectionTest, ExcludedKeysAreLeftOut) {
  publish({key_row(1), key_row(2), key_row(3)}, Strategy::kSingle);
  const std::vector<std::int64_t> two = {1, 2};
  EXPECT_EQ(all.take({.exclude = two}), 3);
  const std::vector<std::int64_t> every = {1, 2, 3, 99};
  EXPECT_EQ(all.take({.exclude = every}), 0);
}

TEST_F(SelectionTest, AWishMayNameAnotherStrategy) {
  with_weights({1, 1, 1});
  all.slot(3).usage.latency_ms = 0;
  all.slot(1).usage.latency_ms = 100;
  all.slot(2).usage.latency_ms = 100;
  const Strategy fastest = Strategy::kLowestLatency;
  EXPECT_EQ(take_many(3, {.strategy = &fastest}), (Ids{3, 3, 3}));
  EXPECT_EQ(longest_run(take_many(9)), 1) << "the provider's own goes on";
}

TEST_F(SelectionTest, RandomAsAnotherStrategyIsRandomByWeight) {
  with_weights({3, 1});
  const Strategy random = Strategy::kRandom;
  const std::vector<std::int64_t> taken = take_many(20'000, {.strategy = &random});
  EXPECT_NEAR(shares(taken)[1], 15'000, 250) << "four standard deviations";
  EXPECT_GT(longest_run(taken), 10) << "not in turn";
}

TEST_F(SelectionTest, RoundRobinAsAnotherStrategyIsInTurn) {
  with_weights({1, 1, 1}, Strategy::kRandom);
  const Strategy in_turn = Strategy::kRoundRobin;
  take_many(30, {.strategy = &in_turn});
  EXPECT_EQ(shares(take_many(30, {.strategy = &in_turn})),
            (std::map<std::int64_t, int>{{1, 10}, {2, 10}, {3, 10}}));
}

// --- rotation interval

TEST_F(SelectionTest, AChoiceSticksForTheRotationInterval) {
  publish({key_row(1), key_row(2)}, Strategy::kRoundRobin, kHour);
  EXPECT_EQ(take_many(100), Ids(100, 1));
  EXPECT_EQ(all.take({}, kNow + kHour - 1), 1);
  EXPECT_EQ(take_many(100, {}, kNow + kHour), Ids(100, 2));
  EXPECT_EQ(all.take({}, kNow + 2 * kHour), 1);
  EXPECT_EQ(all.take({}, kNow + 3 * kHour), 2);
}

TEST_F(SelectionTest, IntervalsAreSharedByWeight) {
  KeyRow heavy = key_row(1);
  heavy.slot.config.weight = 3;
  publish({heavy, key_row(2)}, Strategy::kRoundRobin, kHour);
  std::map<std::int64_t, int> hours;
  for (int hour = 0; hour < 40; ++hour) {
    const std::int64_t id = all.take({}, kNow + hour * kHour);
    for (int i = 0; i < 50; ++i) ASSERT_EQ(all.take({}, kNow + hour * kHour + i), id);
    ++hours[id];
  }
  EXPECT_EQ(hours, (std::map<std::int64_t, int>{{1, 30}, {2, 10}}));
}

TEST_F(SelectionTest, AStickyKeyThatGoesOutIsReplacedAtOnce) {
  publish({key_row(1), key_row(2)}, Strategy::kSingle, kHour);
  EXPECT_EQ(all.take(), 1);
  all.fail(1, {.kind = FailureClass::kRateLimit, .retry_at = kNow + kMinute}, kNow);
  EXPECT_EQ(all.take(), 2);
  EXPECT_EQ(all.take({}, kNow + 2 * kMinute), 2) << "the new choice sticks";
}

TEST_F(SelectionTest, AChoiceSticksForWishesThatItSuits) {
  publish({key_row(1), key_row(2)}, Strategy::kRoundRobin, kHour);
  EXPECT_EQ(take_many(5, {.tokens = 10, .lease = true}), Ids(5, 1));
  const std::vector<std::int64_t> first = {1};
  EXPECT_EQ(all.take({.exclude = first}), 2) << "a retry";
  EXPECT_EQ(all.take(), 1);
}

TEST_F(SelectionTest, AChoiceOutlivesAReloadOfItsKey) {
  const std::vector<KeyRow> rows = {key_row(1), key_row(2), key_row(3)};
  publish(rows, Strategy::kRoundRobin, kHour);
  ASSERT_EQ(all.take(), 1);
  ASSERT_EQ(all.take({}, kNow + kHour), 2);
  publish({key_row(2), key_row(3)}, Strategy::kRoundRobin, kHour);
  EXPECT_EQ(all.take({}, kNow + kHour + kMinute), 2);
  publish({key_row(3)}, Strategy::kRoundRobin, kHour);
  EXPECT_EQ(all.take({}, kNow + kHour + kMinute), 3);
}

TEST_F(SelectionTest, AShorterRotationIntervalTakesEffectAtOnce) {
  publish({key_row(1), key_row(2)}, Strategy::kRoundRobin, kDay);
  ASSERT_EQ(all.take(), 1);
  publish({key_row(1), key_row(2)}, Strategy::kRoundRobin, 0);
  EXPECT_EQ(take_many(2), (Ids{2, 1}));
}

TEST_F(SelectionTest, AnEndlessRotationIntervalOverflowsNothing) {
  publish({key_row(1), key_row(2)}, Strategy::kRoundRobin, kNever);
  EXPECT_EQ(take_many(3), Ids(3, 1));
  EXPECT_EQ(all.take({}, kNow + 1'000 * kDay), 1);
}

// --- settings that change

TEST_F(SelectionTest, AnotherDefaultStrategyTakesEffectAtOnce) {
  ProviderRow provider = provider_row("openai");
  provider.config.has_strategy = false;
  all.mirror({provider}, {key_row(1), key_row(2)});
  Group& group = all.system_group();
  const auto take = [&](Strategy strategy) {
    const Moment at = {kNow, strategy, all.random};
    const std::uint32_t taken = take_key(all.pool, group, all.provider(), {}, at);
    return all.pool.slot(taken).config.key_id;
  };
  EXPECT_EQ(take(Strategy::kRoundRobin), 1);
  EXPECT_EQ(take(Strategy::kRoundRobin), 2);
  EXPECT_EQ(take(Strategy::kSingle), 1);
  EXPECT_EQ(take(Strategy::kSingle), 1);
}

TEST_F(SelectionTest, AClockSetBackHoldsNoKeyLongerThanItsWindow) {
  KeyRow row = key_row(1);
  row.slot.config.limits.requests_per_minute = 5;
  publish({row});
  const Micros ahead = kNow + 30 * kDay;
  EXPECT_EQ(take_many(6, {}, ahead).back(), 0);
  EXPECT_EQ(all.take({}, kNow), 0);
  EXPECT_EQ(all.take({}, kNow + 70 * kSecond), 1);
}

TEST(StrategyNames, AreFoundAgain) {
  for (const std::string_view text : kStrategyNames) {
    EXPECT_EQ(name(*strategy_from_name(text)), text);
  }
  EXPECT_FALSE(strategy_from_name("fastest"));
}

}  // namespace
}  // namespace keypool::core
