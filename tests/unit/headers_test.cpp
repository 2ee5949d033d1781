#include "core/headers.hpp"

#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay + 12 * kHour;  // 2024-08-22 12:00 UTC

RateLimits read(const std::vector<HeaderField>& headers) { return read_rate_limits(headers, kNow); }

TEST(Headers, ReadsOpenAiStyle) {
  const RateLimits limits = read({{"x-ratelimit-limit-requests", "60"},
                                  {"x-ratelimit-remaining-requests", "59"},
                                  {"x-ratelimit-reset-requests", "1s"},
                                  {"x-ratelimit-limit-tokens", "150000"},
                                  {"x-ratelimit-remaining-tokens", "149984"},
                                  {"x-ratelimit-reset-tokens", "6m0s"}});
  EXPECT_EQ(limits.limit_requests, 60);
  EXPECT_EQ(limits.remaining_requests, 59);
  EXPECT_EQ(limits.reset_requests_at, kNow + kSecond);
  EXPECT_EQ(limits.limit_tokens, 150'000);
  EXPECT_EQ(limits.remaining_tokens, 149'984);
  EXPECT_EQ(limits.reset_tokens_at, kNow + 6 * kMinute);
  EXPECT_EQ(limits.retry_at, std::nullopt);
}

TEST(Headers, ReadsAnthropicStyle) {
  const RateLimits limits = read({{"anthropic-ratelimit-requests-limit", "50"},
                                  {"anthropic-ratelimit-requests-remaining", "49"},
                                  {"anthropic-ratelimit-requests-reset", "2024-08-22T12:00:30Z"},
                                  {"anthropic-ratelimit-tokens-limit", "40000"},
                                  {"anthropic-ratelimit-tokens-remaining", "39000"},
                                  {"anthropic-ratelimit-tokens-reset", "2024-08-22T12:01:00Z"}});
  EXPECT_EQ(limits.limit_requests, 50);
  EXPECT_EQ(limits.remaining_requests, 49);
  EXPECT_EQ(limits.reset_requests_at, kNow + 30 * kSecond);
  EXPECT_EQ(limits.limit_tokens, 40'000);
  EXPECT_EQ(limits.remaining_tokens, 39'000);
  EXPECT_EQ(limits.reset_tokens_at, kNow + kMinute);
}

TEST(Headers, NamesCompareWithoutCase) {
  EXPECT_EQ(read({{"X-RateLimit-Remaining-Requests", "7"}}).remaining_requests, 7);
  EXPECT_EQ(read({{"RETRY-AFTER", "7"}}).retry_at, kNow + 7 * kSecond);
}

TEST(Headers, TheTightestAnthropicTokenWindowWins) {
  const RateLimits limits =
      read({{"anthropic-ratelimit-input-tokens-limit", "40000"},
            {"anthropic-ratelimit-input-tokens-remaining", "9000"},
            {"anthropic-ratelimit-input-tokens-reset", "2024-08-22T12:00:40Z"},
            {"anthropic-ratelimit-output-tokens-limit", "8000"},
            {"anthropic-ratelimit-output-tokens-remaining", "8000"},
            {"anthropic-ratelimit-output-tokens-reset", "2024-08-22T12:00:10Z"}});
  EXPECT_EQ(limits.limit_tokens, 40'000) << "by the share left, not by the bare number";
  EXPECT_EQ(limits.remaining_tokens, 9'000);
  EXPECT_EQ(limits.reset_tokens_at, kNow + 40 * kSecond);
}

TEST(Headers, OfTwoUsedUpWindowsTheLaterResetWins) {
  const RateLimits limits =
      read({{"anthropic-ratelimit-input-tokens-remaining", "0"},
            {"anthropic-ratelimit-input-tokens-reset", "2024-08-22T12:00:10Z"},
            {"anthropic-ratelimit-output-tokens-remaining", "0"},
            {"anthropic-ratelimit-output-tokens-reset", "2024-08-22T12:00:50Z"}});
  EXPECT_EQ(limits.reset_tokens_at, kNow + 50 * kSecond);
}

TEST(Headers, AzuresUnknownLimitMakesItsRemainingUnknownToo) {
  for (const std::string_view unknown : {"-1", "0"}) {
    const RateLimits limits = read({{"x-ratelimit-limit-requests", unknown},
                                    {"x-ratelimit-remaining-requests", "0"},
                                    {"x-ratelimit-limit-tokens", unknown},
                                    {"x-ratelimit-remaining-tokens", "-1"}});
    EXPECT_EQ(limits.limit_requests, std::nullopt) << unknown;
    EXPECT_EQ(limits.remaining_requests, std::nullopt) << unknown;
    EXPECT_EQ(limits.limit_tokens, std::nullopt) << unknown;
    EXPECT_EQ(limits.remaining_tokens, std::nullopt) << unknown;
  }
}

TEST(Headers, NothingRemainingOfAKnownLimitIsZero) {
  const RateLimits limits =
      read({{"x-ratelimit-limit-requests", "60"}, {"x-ratelimit-remaining-requests", "0"}});
  EXPECT_EQ(limits.remaining_requests, 0);
}

TEST(Headers, IgnoresNonsense) {
  const RateLimits limits = read({{"x-ratelimit-limit-requests", "many"},
                                  {"x-ratelimit-remaining-requests", "-5"},
                                  {"x-ratelimit-reset-requests", "soon"},
                                  {"x-ratelimit-limit-tokens", "99999999999999999999999"},
                                  {"x-ratelimit-remaining-tokens", "12 apples"},
                                  {"retry-after", "later"},
                                  {"retry-after-ms", "1h"},
                                  {"", ""}});
  EXPECT_EQ(limits.limit_requests, std::nullopt);
  EXPECT_EQ(limits.remaining_requests, std::nullopt);
  EXPECT_EQ(limits.reset_requests_at, std::nullopt);
  EXPECT_EQ(limits.limit_tokens, std::nullopt);
  EXPECT_EQ(limits.remaining_tokens, std::nullopt);
  EXPECT_EQ(limits.retry_at, std::nullopt);
}

TEST(Headers, NonsenseDoesNotUndoASensibleValue) {
  EXPECT_EQ(read({{"retry-after", "5"}, {"retry-after", "x"}}).retry_at, kNow + 5 * kSecond);
}

TEST(RetryAfter, IsSecondsOrADate) {
  struct Case {
    std::string_view value;
    Micros expected;
  };
  const Case cases[] = {
      {"20", kNow + 20 * kSecond},
      {"0", kNow},
      {"1.5", kNow + 1'500'000},
      {"Thu, 22 Aug 2024 12:02:00 GMT", kNow + 2 * kMinute},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(read({{"retry-after", c.value}}).retry_at, c.expected) << c.value;
  }
}

TEST(RetryAfter, ADateInThePastMeansNow) {
  EXPECT_EQ(read({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}).retry_at, kNow);
}

TEST(RetryAfter, NegativeIsNonsense) {
  EXPECT_EQ(read({{"retry-after", "-20"}}).retry_at, std::nullopt);
}

TEST(RetryAfter, MillisecondsWinBecauseTheyAreFiner) {
  EXPECT_EQ(read({{"retry-after-ms", "1250"}, {"retry-after", "2"}}).retry_at, kNow + 1'250'000);
  EXPECT_EQ(read({{"retry-after-ms", "0.5"}}).retry_at, kNow + 500);
}

TEST(RetryAfter, AHostileOneCannotParkAKeyForLongerThanADay) {
  for (const std::string_view value : {"999999999", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    EXPECT_EQ(read({{"retry-after", value}}).retry_at, kNow + kDay) << value;
  }
  EXPECT_EQ(read({{"retry-after-ms", "999999999999"}}).retry_at, kNow + kDay);
  EXPECT_EQ(read({{"x-ratelimit-reset-tokens", "9999h"}}).reset_tokens_at, kNow + kDay);
  EXPECT_EQ(read({{"anthropic-ratelimit-tokens-reset", "9999-01-01T00:00:00Z"}}).reset_tokens_at,
            kNow + kDay);
}

TEST(ResetOfTightest, IsTheResetOfTheSideWithLessLeft) {
  RateLimits limits;
  EXPECT_EQ(reset_of_tightest(limits), std::nullopt);
  limits.limit_requests = 100;
  limits.remaining_requests = 90;
  limits.reset_requests_at = kNow + kHour;
  EXPECT_EQ(reset_of_tightest(limits), kNow + kHour);
  limits.limit_tokens = 1000;
  limits.remaining_tokens = 10;
  limits.reset_tokens_at = kNow + kSecond;
  EXPECT_EQ(reset_of_tightest(limits), kNow + kSecond);
  limits.remaining_requests = 0;
  EXPECT_EQ(reset_of_tightest(limits), kNow + kHour);
  limits.remaining_tokens = 0;
  limits.reset_tokens_at = kNow + 2 * kHour;
  EXPECT_EQ(reset_of_tightest(limits), kNow + 2 * kHour) << "both used up: the later";
}

}  // namespace
}  // namespace keypool::core
