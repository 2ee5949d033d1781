#include "core/secret_checks.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

SecretCheck check(std::string_view secret, std::string_view name) {
  for (SecretCheck& check : check_secret(secret)) {
    if (check.name == name) return check;
  }
  ADD_FAILURE() << "no check named " << name;
  return {};
}

TEST(SecretChecks, AlwaysTheSameChecksInTheSameOrder) {
  for (const std::string_view secret : {"", "sk-abcdefgh12345678"}) {
    const auto checks = check_secret(secret);
    ASSERT_EQ(checks.size(), 4U);
    EXPECT_EQ(checks[0].name, "not_empty");
    EXPECT_EQ(checks[1].name, "length");
    EXPECT_EQ(checks[2].name, "characters");
    EXPECT_EQ(checks[3].name, "not_placeholder");
  }
}

TEST(SecretChecks, ARealLookingKeyPassesWithoutDetails) {
  for (const std::string_view secret :
       {"sk-proj-Ab3_defGhIjKlMnOpQr-12345", "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
        "0123456789abcdef0123456789abcdef", "sk-test-1234567890"}) {
    for (const SecretCheck& c : check_secret(secret)) {
      EXPECT_TRUE(c.ok) << secret << " " << c.name;
      EXPECT_EQ(c.detail, "") << secret << " " << c.name;
    }
  }
}

TEST(SecretChecks, LengthIsEightTo256Bytes) {
  EXPECT_FALSE(check("", "length").ok);
  EXPECT_FALSE(check(std::string(7, 'q'), "length").ok);
  EXPECT_TRUE(check(std::string(8, 'q'), "length").ok);
  EXPECT_TRUE(check(std::string(256, 'q'), "length").ok);
  EXPECT_FALSE(check(std::string(257, 'q'), "length").ok);
  EXPECT_EQ(check("abc", "length").detail, "has 3 bytes, expected 8 to 256");
}

TEST(SecretChecks, EmptyIsSaidAsSuch) {
  EXPECT_FALSE(check("", "not_empty").ok);
  EXPECT_TRUE(check("x", "not_empty").ok);
}

TEST(SecretChecks, CharactersNameThePlaceAndTheKind) {
  EXPECT_EQ(check("sk-abc def", "characters").detail, "character 7 is white space");
  EXPECT_EQ(check("sk-abcdef\n", "characters").detail, "character 10 is white space");
  EXPECT_EQ(check("\"sk-abcdef\"", "characters").detail, "character 1 is a quote");
  EXPECT_EQ(check("sk-abcd\xc3\xa9", "characters").detail, "character 8 is not printable ASCII");
  EXPECT_EQ(check(std::string("sk-abcd\0e", 9), "characters").detail,
            "character 8 is not printable ASCII");
}

TEST(SecretChecks, PlaceholdersAreRecognised) {
  for (const std::string_view secret :
       {"your-api-key", "YOUR_API_KEY_HERE", "sk-your-api-key-here", "changeme", "change-me-please",
        "xxxxxxxxxxxx", "sk-xxxxxxxxxxxxxxxx", "sk-xxx", "sk-...", "sk-proj-...", "<your key>",
        "<OPENAI_API_KEY>", "$OPENAI_API_KEY", "${OPENAI_API_KEY}", "{{ api_key }}",
        "%OPENAI_API_KEY%", "AKIAIOSFODNN7EXAMPLE", "sk-********"}) {
    EXPECT_FALSE(check(secret, "not_placeholder").ok) << secret;
  }
}

TEST(SecretChecks, AFewFillersInAKeyAreNoPlaceholder) {
  for (const std::string_view secret :
       {"sk-abcxxxdefgh12345", "sk-abcdefgh12345xx", "xai-abcdefgh12"}) {
    EXPECT_TRUE(check(secret, "not_placeholder").ok) << secret;
  }
}

TEST(SecretChecks, DetailsNeverEchoTheValue) {
  const std::string secret = "q7Zk \"wV9\xff" + std::string(300, 'W');
  for (const SecretCheck& c : check_secret(secret)) {
    EXPECT_EQ(c.detail.find("q7Zk"), std::string::npos) << c.name;
    EXPECT_EQ(c.detail.find("wV9"), std::string::npos) << c.name;
    EXPECT_EQ(c.detail.find("WW"), std::string::npos) << c.name;
    EXPECT_TRUE(std::all_of(c.detail.begin(), c.detail.end(), [](char x) { return x > 0; }));
  }
}

}  // namespace
}  // namespace keypool::core
