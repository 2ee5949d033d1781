#include "core/slot.hpp"

#include <string>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;

TEST(ModelRule, AWholeNameMatchesItselfOnly) {
  const ModelRule rule = model_rule("gpt-4");
  EXPECT_TRUE(model_matches(rule, "gpt-4"));
  EXPECT_FALSE(model_matches(rule, "gpt-4o"));
  EXPECT_FALSE(model_matches(rule, "gpt-"));
  EXPECT_FALSE(model_matches(rule, ""));
  EXPECT_FALSE(model_matches(rule, "GPT-4"));
}

TEST(ModelRule, APrefixMatchesWhatBeginsWithIt) {
  const ModelRule rule = model_rule("gpt-4*");
  EXPECT_TRUE(model_matches(rule, "gpt-4"));
  EXPECT_TRUE(model_matches(rule, "gpt-4o-mini"));
  EXPECT_FALSE(model_matches(rule, "gpt-"));
  EXPECT_FALSE(model_matches(rule, "gpt-3.5"));
}

TEST(ModelRule, AStarAloneMatchesEverything) {
  EXPECT_TRUE(model_matches(model_rule("*"), "anything"));
  EXPECT_TRUE(model_matches(model_rule("*"), ""));
}

TEST(ModelRule, NoRuleIsZeroWhichEndsAList) {
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_NE(model_rule("model-" + std::to_string(i)), 0u);
  }
  EXPECT_NE(model_rule(""), 0u);
  EXPECT_NE(model_rule("*"), 0u);
}

TEST(ModelRule, PrefixesOf254LettersAndMoreAreCutToThat) {
  const std::string same(254, 'm');
  EXPECT_TRUE(model_matches(model_rule(same + "*"), same + "x"));
  EXPECT_TRUE(model_matches(model_rule(same + "abc*"), same + "xyz"));
  EXPECT_FALSE(model_matches(model_rule(same + "*"), std::string(253, 'm')));
}

TEST(TextHash, IsNeverZeroAndTellsTextsApart) {
  EXPECT_NE(text_hash(""), 0u);
  EXPECT_NE(text_hash("eu"), text_hash("us"));
  EXPECT_EQ(text_hash("eu"), text_hash(std::string("eu")));
}

TEST(RecentOutcomes, CountTheRunningAndTheLastPeriod) {
  RecentOutcomes recent = {};
  recent.add(kNow, true);
  recent.add(kNow + kSecond, false);
  EXPECT_EQ(recent.requests(kNow + kSecond), 2u);
  EXPECT_EQ(recent.errors(kNow + kSecond), 1u);
  const Micros next = kNow + RecentOutcomes::kPeriod;
  EXPECT_EQ(recent.requests(next), 2u);
  recent.add(next, true);
  EXPECT_EQ(recent.requests(next), 3u);
  EXPECT_EQ(recent.errors(next), 2u);
  EXPECT_EQ(recent.requests(next + RecentOutcomes::kPeriod), 1u);
  EXPECT_EQ(recent.requests(next + 2 * RecentOutcomes::kPeriod), 0u);
}

TEST(RecentOutcomes, AGapForgetsBothPeriods) {
  RecentOutcomes recent = {};
  recent.add(kNow, true);
  recent.add(kNow + RecentOutcomes::kPeriod, true);
  recent.add(kNow + 4 * RecentOutcomes::kPeriod, false);
  EXPECT_EQ(recent.requests(kNow + 4 * RecentOutcomes::kPeriod), 1u);
  EXPECT_EQ(recent.errors(kNow + 4 * RecentOutcomes::kPeriod), 0u);
}

TEST(RecentOutcomes, KeepTheRateWhenTheCountsAreFull) {
  RecentOutcomes recent = {};
  for (int i = 0; i < 1'000'000; ++i) recent.add(kNow, i % 4 == 0);
  const double rate =
      static_cast<double>(recent.errors(kNow)) / static_cast<double>(recent.requests(kNow));
  EXPECT_NEAR(rate, 0.25, 0.001);
}

TEST(Names, OfOwnersAndStatesAreTheContract) {
  EXPECT_EQ(name(OwnerKind::kUser), "user");
  EXPECT_EQ(name(OwnerKind::kOrganization), "organization");
  EXPECT_EQ(name(OwnerKind::kSystem), "system");
  EXPECT_EQ(name(KeyState::kHealthy), "healthy");
  EXPECT_EQ(name(KeyState::kCooling), "cooling");
  EXPECT_EQ(name(KeyState::kUnhealthy), "unhealthy");
  EXPECT_EQ(name(KeyState::kHalfOpen), "half_open");
}

}  // namespace
}  // namespace keypool::core
