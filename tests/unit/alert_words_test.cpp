#include "core/alert_words.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/json_value.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = 800'000 * kHour;

class AlertWords : public testing::Test {
 protected:
  AlertWords() {
    facts.providers.push_back({.name = "openai", .keys = 2});
    facts.owners.push_back(
        {.provider = 0, .kind = OwnerKind::kSystem, .owner = {}, .keys = {KeyFact{.key_id = 12}}});
  }

  KeyFact& key() { return facts.owners[0].keys[0]; }

  AlertText describe(AlertKind kind) const {
    const Cause cause = {{kind, "subject"}, Severity::kWarning, 0, 0, 0};
    AlertText text = describe_alert(cause, facts, {"primary", "sk-proj-…aB3d"},
                                    {.error_rate = 0.2, .unused = kDay}, kNow);
    EXPECT_TRUE(parse_json(text.details, 2).has_value()) << text.details;
    return text;
  }

  PoolFacts facts;
};

TEST_F(AlertWords, AnUnhealthyKeyIsNamedWithTheProvidersAnswer) {
  key().failure = FailureClass::kCredential;
  key().http_status = 401;
  constexpr std::string_view kCode = "invalid_api_key";
  std::copy(kCode.begin(), kCode.end(), key().code.begin());
  const AlertText text = describe(AlertKind::kKeyUnhealthy);
  EXPECT_EQ(text.message,
            "key 12 openai/primary (sk-proj-…aB3d) is unhealthy: the provider does not accept it "
            "(401 invalid_api_key)");
  EXPECT_EQ(text.details,
            R"({"class":"credential","error_code":"invalid_api_key","http_status":401,)"
            R"("key_source":"system"})");
}

TEST_F(AlertWords, WhatARestartForgotIsLeftOut) {
  key().failure = FailureClass::kQuota;
  EXPECT_EQ(describe(AlertKind::kKeyUnhealthy).message,
            "key 12 openai/primary (sk-proj-…aB3d) is unhealthy: the account behind it has no "
            "quota left");
}

TEST_F(AlertWords, AnErrorRateSaysWhatItIsMeasuredBy) {
  key().requests = 12;
  key().errors = 7;
  const AlertText text = describe(AlertKind::kErrorRate);
  EXPECT_EQ(text.message,
            "key 12 openai/primary (sk-proj-…aB3d) fails too often: 7 of its last 12 requests "
            "(58.3 %, keypool.error_rate_alert is 20 %)");
  EXPECT_EQ(text.details,
            R"({"error_rate":0.5833,"errors":7,"key_source":"system","limit":0.2,"requests":12})");
}

TEST_F(AlertWords, AnUnusedKeyTellsForHowLong) {
  key().last_used_at = kNow - 25 * kHour;
  EXPECT_EQ(describe(AlertKind::kUnusedKey).message,
            "key 12 openai/primary (sk-proj-…aB3d) has not been used for 25 hours while other keys "
            "of its owner were");
  key().last_used_at = 0;
  key().created_at = kNow - 3 * kDay;
  EXPECT_EQ(describe(AlertKind::kUnusedKey).message,
            "key 12 openai/primary (sk-proj-…aB3d) has never been used in 3 days while other keys "
            "of its owner were");
}

TEST_F(AlertWords, AnExhaustedPoolCountsItsKeysByReason) {
  key().standing = {Blocked::kUnhealthy, kNever};
  KeyFact cooling;
  cooling.standing = {Blocked::kCooling, kNow + 90 * kSecond};
  KeyFact disabled;
  disabled.enabled = false;
  facts.owners[0].keys.push_back(cooling);
  facts.owners[0].keys.push_back(disabled);
  const AlertText text = describe(AlertKind::kPoolExhausted);
  EXPECT_EQ(text.message,
            "no system key for openai can be picked: 1 unhealthy, 1 cooling; the next one is back "
            "in 90 seconds");
  EXPECT_EQ(text.details,
            R"({"cooling":1,"daily_cost_limit":0,"expired":0,"key_source":"system","keys":2,)"
            R"("seconds_until_next":90,"unhealthy":1})");
}

TEST_F(AlertWords, AnOrganizationIsNamedWhateverItsNameIsMadeOf) {
  facts.owners[0].kind = OwnerKind::kOrganization;
  facts.owners[0].owner = "a\"b\n\xff";
  key().standing = {Blocked::kExpired, kNever};
  const AlertText text = describe(AlertKind::kPoolExhausted);
  EXPECT_NE(text.message.find("no key of organization a\"b"), std::string::npos);
  EXPECT_NE(text.details.find(R"("owner":"a\"b\n)"), std::string::npos);
}

TEST_F(AlertWords, AnOutageIsToldFromOverload) {
  facts.providers[0].outage = true;
  facts.providers[0].backoff_until = kNow + 3 * kSecond;
  EXPECT_EQ(describe(AlertKind::kProviderOutage).message,
            "openai is out of order: most of its keys fail");
  facts.providers[0].outage = false;
  const AlertText text = describe(AlertKind::kProviderOutage);
  EXPECT_EQ(text.message, "openai is overloaded and is left alone for now");
  EXPECT_EQ(text.details, R"({"keys":2,"reason":"overloaded","seconds_until_next":3})");
}

}  // namespace
}  // namespace keypool::core
