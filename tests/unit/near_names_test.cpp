#include "core/near_names.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using Names = std::vector<std::string>;

const Names kKnown = {"anthropic", "claude", "cohere", "deepseek",  "gemini",
                      "groq",      "grok",   "openai", "openrouter"};

TEST(EditDistance, CountsAddedDroppedReplacedAndSwappedLetters) {
  EXPECT_EQ(edit_distance("openai", "openai"), 0u);
  EXPECT_EQ(edit_distance("opnai", "openai"), 1u);
  EXPECT_EQ(edit_distance("openaii", "openai"), 1u);
  EXPECT_EQ(edit_distance("openoi", "openai"), 1u);
  EXPECT_EQ(edit_distance("oepnai", "openai"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
}

TEST(EditDistance, IgnoresCase) { EXPECT_EQ(edit_distance("OpenAI", "openai"), 0u); }

TEST(NearNames, NearestComesFirst) {
  EXPECT_EQ(near_names("grok", kKnown), (Names{"grok", "groq"}));
  EXPECT_EQ(near_names("antropic", kKnown), Names{"anthropic"});
  EXPECT_EQ(near_names("OPENIA", kKnown), Names{"openai"});
}

TEST(NearNames, ABeginningIsNearToo) {
  EXPECT_EQ(near_names("open", kKnown), (Names{"openai", "openrouter"}));
  EXPECT_EQ(near_names("deepseek-chat", kKnown), Names{"deepseek"});
}

TEST(NearNames, WhatIsNothingLikeAnyNameHasNone) {
  EXPECT_EQ(near_names("zzzzzzzz", kKnown), Names{});
  EXPECT_EQ(near_names("", kKnown), Names{});
  EXPECT_EQ(near_names(std::string(65, 'o'), kKnown), Names{});
}

TEST(NearNames, ThreeAreEnough) {
  EXPECT_EQ(near_names("aaaa", Names{"aaab", "aaac", "aaad", "aaae"}).size(), 3u);
}

}  // namespace
}  // namespace keypool::core
