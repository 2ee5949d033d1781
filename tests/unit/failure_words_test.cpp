#include "core/failure_words.hpp"

#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

TEST(FailureWords, CompareWithoutCaseAndSeparators) {
  for (const std::string_view word :
       {"rate_limit_error", "RateLimitError", "RATE-LIMIT-ERROR", "rate limit error"}) {
    EXPECT_EQ(unmistakable_word(word), FailureClass::kRateLimit) << word;
  }
}

TEST(FailureWords, MustMatchWhole) {
  for (const std::string_view word : {"", "_", "rate_limit_errors", "rate", "xinvalid_api_key"}) {
    EXPECT_EQ(unmistakable_word(word), std::nullopt) << word;
  }
}

TEST(FailureWords, GenericWordsOnlyImplyAStatus) {
  for (const std::string_view word :
       {"server_error", "invalid_request_error", "permission_error"}) {
    EXPECT_EQ(unmistakable_word(word), std::nullopt) << word;
    EXPECT_TRUE(implied_status(word)) << word;
  }
  EXPECT_EQ(implied_status("PERMISSION_DENIED"), 403);
  EXPECT_EQ(implied_status("SocketTimeoutException"), 408);
  EXPECT_EQ(implied_status("whatever"), std::nullopt);
}

TEST(FailureWords, OnlyTheOpeningOfAMessageCounts) {
  EXPECT_EQ(unmistakable_opening(" Your credit balance is too low to …"), FailureClass::kQuota);
  EXPECT_EQ(unmistakable_opening("You said: your credit balance is too low"), std::nullopt);
  EXPECT_EQ(unmistakable_opening("You exceeded your current quota"), std::nullopt)
      << "OpenAI says so about money, Gemini about requests a minute";
}

TEST(FailureWords, AModelIsNotAPath) {
  for (const std::string_view message : {"The model `x` does not exist", "model: claude",
                                         "models/gemini-9 is not found", "Model x"}) {
    EXPECT_TRUE(names_model(message)) << message;
  }
  for (const std::string_view message :
       {"", "Invalid URL (GET /v1/models/x)", "remodelled", "multi-model", "modelling"}) {
    EXPECT_FALSE(names_model(message)) << message;
  }
}

}  // namespace
}  // namespace keypool::core
