#include "core/hint.hpp"

#include <string>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

std::string key(const char* prefix, std::size_t random, const char* tail = "aB3d") {
  return prefix + std::string(random, 'x') + tail;
}

TEST(Hint, KeepsAKnownPrefixAndTheEnd) {
  EXPECT_EQ(hint_of(key("sk-proj-", 44)), "sk-proj-…aB3d");
  EXPECT_EQ(hint_of(key("sk-svcacct-", 44)), "sk-svcacct-…aB3d");
  EXPECT_EQ(hint_of(key("sk-ant-api03-", 91)), "sk-ant-api03-…aB3d");
  EXPECT_EQ(hint_of(key("sk-ant-", 91)), "sk-ant-…aB3d");
  EXPECT_EQ(hint_of(key("sk-or-v1-", 60)), "sk-or-v1-…aB3d");
  EXPECT_EQ(hint_of(key("sk-", 28)), "sk-…aB3d");
  EXPECT_EQ(hint_of(key("AIza", 31)), "AIza…aB3d");
  EXPECT_EQ(hint_of(key("tgp_v1_", 39)), "tgp_v1_…aB3d");
  for (const char* prefix : {"gsk_", "hf_", "xai-", "fw_", "csk-", "pplx-"})
    EXPECT_EQ(hint_of(key(prefix, 40)), std::string(prefix) + "…aB3d");
}

TEST(Hint, OfAKeyWithoutAPrefixIsItsEnd) { EXPECT_EQ(hint_of(key("", 28)), "…aB3d"); }

TEST(Hint, ShowsLessOfAShortSecret) {
  EXPECT_EQ(hint_of("sk-proj-0123456789abcdef"), "sk-proj-…");
  EXPECT_EQ(hint_of("dev_local_dev@localhost_local_development"), "dev_local_…");
  EXPECT_EQ(hint_of("sk-proj-short"), "…");
  EXPECT_EQ(hint_of("sk-"), "…");
  EXPECT_EQ(hint_of(""), "…");
}

TEST(Hint, NeverShowsMoreThanAThirdAndHidesTwelve) {
  for (const char* prefix : {"", "sk-", "sk-proj-", "sk-svcacct-", "sk-ant-api03-", "AIza"})
    for (std::size_t random = 0; random < 60; ++random) {
      const std::string secret = key(prefix, random);
      const std::size_t shown = hint_of(secret).size() - std::string_view("…").size();
      EXPECT_LE(shown * 3, secret.size());
      EXPECT_TRUE(shown == 0 || secret.size() - shown >= 12);
    }
}

TEST(Hint, DoesNotShowAnEndThatIsNotPlainText) {
  EXPECT_EQ(hint_of(key("sk-", 40, "ab\xc3\xa9")), "sk-…");
  EXPECT_EQ(hint_of(key("sk-", 40, "a\x1b[m")), "sk-…");
}

}  // namespace
}  // namespace keypool::core
