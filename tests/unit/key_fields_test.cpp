#include "core/key_fields.hpp"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace keypool::core {
namespace {

// The message of what check_key_fields throws, or empty.
std::string complaint(const KeyFields& fields) {
  try {
    check_key_fields(fields);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return {};
}

TEST(KeyFields, OwnerIsTheUserElseTheOrganizationElseTheSystem) {
  KeyFields fields;
  EXPECT_EQ(owner_of(fields).kind, "system");
  EXPECT_EQ(owner_of(fields).id, "");
  fields.organization_id = "o1";
  EXPECT_EQ(owner_of(fields).kind, "organization");
  EXPECT_EQ(owner_of(fields).id, "o1");
  fields.user_id = "u1";
  EXPECT_EQ(owner_of(fields).kind, "user");
  EXPECT_EQ(owner_of(fields).id, "u1");
}

TEST(KeyFields, NothingGivenIsFine) { EXPECT_EQ(complaint({}), ""); }

TEST(KeyFields, ValuesAtTheirLimitsAreFine) {
  const std::string name(47, 'n');
  const std::string owner(255, 'u');
  const std::string region(31, 'r');
  KeyFields fields;
  fields.name = name;
  fields.user_id = owner;
  fields.rate_limit = 1;
  fields.daily_cost_limit_nano = 1;
  fields.weight = 0.001;
  fields.models = {{"a", "b", "c", "d", "e", "f", "g", "h"}};
  fields.region = region;
  fields.base_url = "http://x";
  EXPECT_EQ(complaint(fields), "");
}

TEST(KeyFields, TextsMustHaveASize) {
  const std::string long_name(48, 'n');
  EXPECT_EQ(complaint({.name = ""}), "name must not be empty");
  EXPECT_EQ(complaint({.name = long_name}), "name must not be longer than 47 bytes; it has 48");
  EXPECT_EQ(complaint({.user_id = ""}), "user_id must not be empty");
  EXPECT_EQ(complaint({.region = ""}), "region must not be empty");
}

TEST(KeyFields, LimitsMustBeAboveZero) {
  for (const std::int32_t limit : {0, -1}) {
    EXPECT_NE(complaint({.rate_limit = limit}), "");
    EXPECT_NE(complaint({.requests_per_minute = limit}), "");
    EXPECT_NE(complaint({.tokens_per_minute = limit}), "");
    EXPECT_NE(complaint({.max_concurrency = limit}), "");
    EXPECT_NE(complaint({.daily_cost_limit_nano = limit}), "");
  }
  EXPECT_NE(complaint({.daily_cost_limit_nano = 1'000'000'000'000'000'000}), "");
}

TEST(KeyFields, WeightIsANumberInItsRange) {
  EXPECT_EQ(complaint({.weight = 0.0}), "weight must be between 0.001 and 1000");
  EXPECT_NE(complaint({.weight = 1001.0}), "");
  EXPECT_NE(complaint({.weight = std::nan("")}), "");
}

TEST(KeyFields, ModelsAreOneToEightNames) {
  EXPECT_NE(complaint({.models = {{}}}), "");
  EXPECT_NE(complaint({.models = {{"a", "b", "c", "d", "e", "f", "g", "h", "i"}}}), "");
  EXPECT_EQ(complaint({.models = {{"a", ""}}}), "models must not be empty");
}

TEST(KeyFields, BaseUrlIsHttp) {
  EXPECT_EQ(complaint({.base_url = "https://proxy.test/v1"}), "");
  for (const char* url : {"", "proxy.test", "ftp://x", "https://", "http://", "https://a b"}) {
    EXPECT_NE(complaint({.base_url = url}), "") << url;
  }
}

TEST(KeyFields, BaseUrlHoldsNoCredentials) {
  for (const char* url : {"https://me:secret@proxy.test/v1", "http://me@proxy.test", "https://@"}) {
    EXPECT_EQ(complaint({.base_url = url}), "base_url must hold no credentials") << url;
  }
  EXPECT_EQ(complaint({.base_url = "https://proxy.test/v1/@here?to=me@proxy.test"}), "");
}

}  // namespace
}  // namespace keypool::core
