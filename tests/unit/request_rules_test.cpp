#include "core/request_rules.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace keypool::core {
namespace {

std::string refusal(const RequestFacts& facts) {
  try {
    check_request(facts);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(RequestRules, AcceptARequestOfWhichNothingIsKnown) { EXPECT_EQ(refusal({}), ""); }

TEST(RequestRules, AcceptAnAnonymousRequest) { EXPECT_EQ(refusal({.is_anonymous = true}), ""); }

TEST(RequestRules, RefuseAnAnonymousRequestWithAUserOrAKey) {
  EXPECT_EQ(refusal({.is_anonymous = true, .has_user = true}),
            "an anonymous request cannot have a user");
  EXPECT_EQ(refusal({.is_anonymous = true, .has_key = true}),
            "an anonymous request cannot have an API key");
}

TEST(RequestRules, NameTheAmountThatIsNegative) {
  EXPECT_EQ(refusal({.input_tokens = -1}), "input_tokens must not be negative");
  EXPECT_EQ(refusal({.output_tokens = -1}), "output_tokens must not be negative");
  EXPECT_EQ(refusal({.cached_tokens = -1}), "cached_tokens must not be negative");
  EXPECT_EQ(refusal({.processing_time_ms = -1}), "processing_time_ms must not be negative");
  EXPECT_EQ(refusal({.cost_nano = -1}), "cost_usd must not be negative");
}

TEST(RequestRules, RefuseACostInTheWrongUnit) {
  EXPECT_EQ(refusal({.cost_nano = 999'999'999'999'999}), "");
  EXPECT_EQ(refusal({.cost_nano = 1'000'000'000'000'000}),
            "cost_usd must be below a million dollars");
}

TEST(RequestRules, RefuseTheEndsOfTime) {
  EXPECT_EQ(refusal({.created_at = kNever}), "created_at must be finite");
  EXPECT_EQ(refusal({.created_at = std::numeric_limits<Micros>::min()}),
            "created_at must be finite");
}

TEST(RequestRules, TakeMetadataUpToAMebibyte) {
  EXPECT_EQ(refusal({.metadata_size = kMostMetadata}), "");
  EXPECT_EQ(refusal({.metadata_size = kMostMetadata + 1}), "metadata is larger than 1 MiB");
}

TEST(RequestRules, TakeNamesThatAnIndexCanHold) {
  EXPECT_EQ(refusal({.longest_name = kMostRequestName}), "");
  EXPECT_EQ(refusal({.longest_name = kMostRequestName + 1}),
            "a name in the request is longer than 255 bytes");
}

}  // namespace
}  // namespace keypool::core
