// Claims come from outside, verified or not: every way to write them has one meaning, or is refused
// without being quoted.
#include "core/claims.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace keypool::core {
namespace {

std::string refusal(const std::string& claims) {
  try {
    subject_of(claims);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message() + " " + error.detail() + " " + error.hint();
  }
  return {};
}

TEST(Claims, NameTheSubject) {
  EXPECT_EQ(subject_of(R"({"role": "authenticated", "sub": "u-1", "exp": 1e10})"), "u-1");
  EXPECT_EQ(subject_of(R"({"sub": "J\u00f6rg \"J\""})"), "J\u00f6rg \"J\"");
}

TEST(Claims, WithoutASubjectNameNobody) {
  EXPECT_EQ(subject_of(""), std::nullopt);
  EXPECT_EQ(subject_of("{}"), std::nullopt);
  EXPECT_EQ(subject_of(R"({"role": "anon"})"), std::nullopt);
  EXPECT_EQ(subject_of(R"({"sub": null})"), std::nullopt);
  EXPECT_EQ(subject_of(R"({"sub": ""})"), std::nullopt);
  EXPECT_EQ(subject_of(R"({"user": {"sub": "inner"}})"), std::nullopt);
}

TEST(Claims, GivenTwiceCountAsJsonbReadsThem) {
  EXPECT_EQ(subject_of(R"({"sub": "first", "sub": "last"})"), "last");
}

TEST(Claims, ThatMakeNoSenseAreRefusedUnquoted) {
  const std::string deep = R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}";
  const std::string bad[] = {"planted",
                             R"("planted")",
                             R"(["planted"])",
                             R"({"sub": "planted")",
                             R"({"sub": 4711})",
                             R"({"sub": ["planted"]})",
                             R"({"sub": {"sub": "planted"}})",
                             R"({"sub": "planted\u0000"})",
                             R"({"sub": "planted)" + std::string(256, 'x') + R"("})",
                             R"({"sub": "planted", "x": ")" + std::string(70000, 'x') + R"("})",
                             deep};
  for (const std::string& claims : bad) {
    const std::string told = refusal(claims);
    EXPECT_NE(told, "") << claims.substr(0, 40);
    EXPECT_EQ(told.find("planted"), std::string::npos) << told;
    EXPECT_EQ(told.find("4711"), std::string::npos) << told;
  }
}

}  // namespace
}  // namespace keypool::core
