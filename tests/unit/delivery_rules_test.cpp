#include "worker/delivery_rules.hpp"

#include <gtest/gtest.h>

namespace keypool::worker {
namespace {

using core::kHour;
using core::kSecond;
using Result = Attempt::Result;

constexpr std::string_view kSecret = "a-secret-of-a-webhook";

Attempt judge(int status, int attempts = 1, std::string body = {}, std::string_view failure = {}) {
  return judge_answer({.status = status, .failure = failure, .body = std::move(body)}, attempts, 8,
                      kSecret);
}

TEST(DeliveryRules, ThePauseDoublesFromASecondToAnHour) {
  EXPECT_EQ(retry_pause(1), kSecond);
  EXPECT_EQ(retry_pause(2), 2 * kSecond);
  EXPECT_EQ(retry_pause(7), 64 * kSecond);
  EXPECT_EQ(retry_pause(13), kHour);
  EXPECT_EQ(retry_pause(20), kHour);
}

TEST(DeliveryRules, AnyTwoHundredIsDelivered) {
  for (const int status : {200, 202, 204, 299}) {
    EXPECT_EQ(judge(status).result, Result::kDelivered) << status;
  }
  EXPECT_EQ(judge(200, 1, {}, transport_failure::kTimeout).result, Result::kDelivered)
      << "though its body never ended";
  EXPECT_EQ(judge(200).error, "");
}

TEST(DeliveryRules, AllElseIsTriedAgainUntilTheAttemptsAreUsedUp) {
  for (const int status : {0, 301, 400, 401, 404, 429, 500, 503}) {
    const Attempt third = judge(status, 3);
    EXPECT_EQ(third.result, Result::kFailed) << status;
    EXPECT_EQ(third.pause, 4 * kSecond);
    EXPECT_EQ(third.status, status);
    EXPECT_EQ(judge(status, 8).result, Result::kGivenUp);
    EXPECT_EQ(judge(status, 9).result, Result::kGivenUp) << "there were more when it was read";
  }
}

TEST(DeliveryRules, AReceiverThatIsGoneIsNotAskedAgain) {
  EXPECT_EQ(judge(410).result, Result::kGone);
}

TEST(DeliveryRules, WhatTheReceiverSaysIsScrubbedAndCutShort) {
  EXPECT_EQ(judge(500, 1, "it broke\nbadly").error, "it broke badly");
  const std::string echoed = judge(400, 1, "unknown secret " + std::string(kSecret) + "!").error;
  EXPECT_EQ(echoed.find(kSecret), std::string::npos) << echoed;
  EXPECT_LE(judge(500, 1, std::string(60'000, ' ') + "x").error.size(), 300u);
  EXPECT_EQ(judge(0, 1, "half", transport_failure::kConnection).error, "connection_error");
}

TEST(DeliveryRules, AFailureOfOursCountsAsAnAttempt) {
  EXPECT_EQ(judge_failure("no key", 1, 2).result, Result::kFailed);
  EXPECT_EQ(judge_failure("no key", 2, 2).result, Result::kGivenUp);
  EXPECT_EQ(judge_failure("no key", 2, 2).error, "no key");
}

}  // namespace
}  // namespace keypool::worker
