#include "core/alert_rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace keypool::core {
namespace {

constexpr Micros kNow = 800'000 * kHour + kSecond;  // a second into a period of RecentOutcomes

KeyFact healthy_key(std::int64_t id) {
  KeyFact key;
  key.key_id = id;
  key.created_at = kNow - 90 * kDay;
  key.last_used_at = kNow - kSecond;
  return key;
}

KeyFact unhealthy_key(std::int64_t id, FailureClass failure) {
  KeyFact key = healthy_key(id);
  key.state = KeyState::kUnhealthy;
  key.failure = failure;
  key.standing = {Blocked::kUnhealthy, kNever};
  return key;
}

KeyFact cooling_key(std::int64_t id, Micros until) {
  KeyFact key = healthy_key(id);
  key.state = KeyState::kCooling;
  key.cooldown_until = until;
  key.standing = {Blocked::kCooling, until};
  return key;
}

KeyFact half_open_key(std::int64_t id, Micros since) {
  KeyFact key = healthy_key(id);
  key.state = KeyState::kHalfOpen;
  key.cooldown_until = since;
  return key;
}

class AlertRules : public testing::Test {
 protected:
  AlertRules() {
    facts.providers.push_back({.name = "openai", .answered = true, .keys = 2});
    facts.owners.push_back({.provider = 0, .kind = OwnerKind::kSystem, .owner = {}, .keys = {}});
  }

  std::vector<KeyFact>& keys() { return facts.owners[0].keys; }
  ProviderFact& provider() { return facts.providers[0]; }

  // Judges, and opens and clears alerts as their keeper does.
  const Judgement& judge(Micros now = kNow) {
    judgement = judge_alerts(facts, open, limits, {.now = now, .watching_since = watching_since});
    OpenAlerts next;
    for (const Cause& cause : judgement.causes) {
      const bool added = next.insert({cause.identity, {next_id++, cause.severity, 0}}).second;
      EXPECT_TRUE(added) << "two alerts for one cause: " << cause.identity.subject;
    }
    open = next;
    return judgement;
  }

  // `kind subject severity`, sorted.
  std::vector<std::string> alerts() const {
    std::vector<std::string> texts;
    for (const auto& [identity, alert] : open) {
      texts.push_back(std::string(name(identity.kind)) + " " + identity.subject + " " +
                      std::string(name(alert.severity)));
    }
    std::sort(texts.begin(), texts.end());
    return texts;
  }

  using Texts = std::vector<std::string>;
  PoolFacts facts;
  OpenAlerts open;
  AlertLimits limits = {.error_rate = 0.2, .unused = kDay};
  Micros watching_since = kNow - kDay;
  Judgement judgement;
  std::int64_t next_id = 1;
};

TEST_F(AlertRules, AHealthyPoolRaisesNothingAndWaitsForNothing) {
  keys() = {healthy_key(1), healthy_key(2)};
  EXPECT_EQ(judge().look_again, kNever);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ARefusedKeyIsCriticalAndOneWithoutQuotaAWarning) {
  keys() = {unhealthy_key(1, FailureClass::kCredential), unhealthy_key(2, FailureClass::kQuota),
            healthy_key(3)};
  judge();
  EXPECT_EQ(alerts(), (Texts{"key_unhealthy key:1 critical", "key_unhealthy key:2 warning"}));
}

TEST_F(AlertRules, AnUnhealthyKeyEndsItsAlertByRecoveringBeingDisabledOrExpiring) {
  for (int how = 0; how < 4; ++how) {
    keys() = {unhealthy_key(1, FailureClass::kCredential), healthy_key(2)};
    provider().enabled = true;
    judge();
    ASSERT_EQ(alerts(), Texts{"key_unhealthy key:1 critical"});
    if (how == 0) keys()[0] = healthy_key(1);
    if (how == 1) keys()[0].enabled = false;
    if (how == 2) keys()[0].expires_at = kNow;
    if (how == 3) provider().enabled = false;
    judge();
    EXPECT_EQ(alerts(), Texts{}) << how;
  }
}

TEST_F(AlertRules, SeverityGrowsButDoesNotShrink) {
  keys() = {unhealthy_key(1, FailureClass::kQuota), healthy_key(2)};
  judge();
  keys()[0].failure = FailureClass::kCredential;
  judge();
  EXPECT_EQ(alerts(), Texts{"key_unhealthy key:1 critical"});
  keys()[0].failure = FailureClass::kQuota;
  judge();
  EXPECT_EQ(alerts(), Texts{"key_unhealthy key:1 critical"});
}

TEST_F(AlertRules, APoolIsExhaustedWhenItsLastKeyIsOut) {
  keys() = {unhealthy_key(1, FailureClass::kQuota), cooling_key(2, kNow + kMinute)};
  EXPECT_EQ(judge().look_again, kNow + kMinute);
  EXPECT_EQ(alerts(),
            (Texts{"key_unhealthy key:1 warning", "pool_exhausted provider:openai critical"}));
}

TEST_F(AlertRules, AnOrganizationsPoolHasAnAlertOfItsOwn) {
  keys() = {healthy_key(1)};
  facts.owners.push_back({.provider = 0,
                          .kind = OwnerKind::kOrganization,
                          .owner = "acme",
                          .keys = {cooling_key(2, kNow + kHour)}});
  judge();
  EXPECT_EQ(alerts(), Texts{"pool_exhausted provider:openai/organization:acme critical"});
}

TEST_F(AlertRules, UsersKeysRaiseNeitherExhaustionNorUnusedKeys) {
  keys() = {healthy_key(1)};
  KeyFact idle = healthy_key(4);
  idle.last_used_at = kNow - 9 * kDay;
  facts.owners.push_back(
      {.provider = 0, .kind = OwnerKind::kUser, .owner = {}, .keys = {healthy_key(5), idle}});
  facts.owners.push_back({.provider = 0,
                          .kind = OwnerKind::kUser,
                          .owner = {},
                          .keys = {unhealthy_key(6, FailureClass::kCredential)}});
  judge();
  EXPECT_EQ(alerts(), Texts{"key_unhealthy key:6 critical"});
}

TEST_F(AlertRules, AShortPauseOfTheOnlyKeyIsNoAlert) {
  keys() = {cooling_key(1, kNow + kBrief - 1)};
  EXPECT_EQ(judge().look_again, kNever);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, BusyKeysAndDisabledKeysExhaustNoPool) {
  KeyFact busy = healthy_key(1);
  busy.standing = {Blocked::kHourLimit, kNow + kMinute};
  KeyFact disabled = unhealthy_key(2, FailureClass::kQuota);
  disabled.enabled = false;
  keys() = {busy, disabled};
  judge();
  EXPECT_EQ(alerts(), Texts{});
  keys() = {disabled};
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ASpentDayAndAnExpiredKeyExhaustAPool) {
  KeyFact spent = healthy_key(1);
  spent.standing = {Blocked::kDailyCost, kNow + kHour};
  KeyFact expired = healthy_key(2);
  expired.expires_at = kNow;
  expired.standing = {Blocked::kExpired, kNever};
  keys() = {spent, expired};
  EXPECT_EQ(judge().look_again, kNow + kHour);
  EXPECT_EQ(alerts(), Texts{"pool_exhausted provider:openai critical"});
}

TEST_F(AlertRules, TheMomentAKeyExpiresIsLookedAt) {
  keys() = {healthy_key(1)};
  keys()[0].expires_at = kNow + kHour;
  EXPECT_EQ(judge().look_again, kNow + kHour);
}

TEST_F(AlertRules, ProbesOfABrokenKeyDoNotMakeItsAlertComeAndGo) {
  keys() = {cooling_key(1, kNow + kMinute)};
  judge();
  Micros now = kNow + kMinute + kSecond;
  keys() = {half_open_key(1, kNow + kMinute)};
  judge(now);
  EXPECT_EQ(alerts(), Texts{"pool_exhausted provider:openai critical"}) << "while it is tried";
  keys() = {cooling_key(1, now + 2 * kSecond)};
  judge(now);
  EXPECT_EQ(alerts(), Texts{"pool_exhausted provider:openai critical"}) << "when it fails again";
  keys() = {half_open_key(1, now + 2 * kSecond)};
  now += 2 * kSecond;
  EXPECT_EQ(judge(now).look_again, now + kProbation);
  judge(now + kProbation);
  EXPECT_EQ(alerts(), Texts{}) << "when it has lasted";
}

TEST_F(AlertRules, AKeyThatProvesHealthyEndsTheExhaustionAtOnce) {
  keys() = {cooling_key(1, kNow + kMinute)};
  judge();
  keys() = {healthy_key(1)};
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ErrorsAboveTheLimitRaiseFromTenOutcomesOn) {
  keys() = {healthy_key(1), healthy_key(2)};
  keys()[0].requests = 9;
  keys()[0].errors = 9;
  keys()[1].requests = 10;
  keys()[1].errors = 2;
  judge();
  EXPECT_EQ(alerts(), Texts{}) << "too few, and not above";
  keys()[1].errors = 3;
  judge();
  EXPECT_EQ(alerts(), Texts{"error_rate key:2 warning"});
}

TEST_F(AlertRules, AnErrorRateIsOverWhenItFallsAndNotWhenOutcomesGetFew) {
  keys() = {healthy_key(1)};
  keys()[0].requests = 20;
  keys()[0].errors = 10;
  EXPECT_EQ(judge().look_again, kNow - kSecond + RecentOutcomes::kPeriod);
  keys()[0].requests = 4;
  keys()[0].errors = 2;
  judge();
  EXPECT_EQ(alerts(), Texts{"error_rate key:1 warning"});
  keys()[0].requests = 10;
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, AnErrorRateIsOverWhenNothingHappensAnyMore) {
  keys() = {healthy_key(1)};
  keys()[0].requests = keys()[0].errors = 20;
  judge();
  keys()[0].requests = keys()[0].errors = 0;
  EXPECT_EQ(judge().look_again, kNever);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ALimitOfOneTurnsTheErrorRateOff) {
  limits.error_rate = 1;
  keys() = {healthy_key(1)};
  keys()[0].requests = keys()[0].errors = 20;
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ARestartKeepsAlertsWhoseEvidenceItLost) {
  keys() = {healthy_key(1)};
  keys()[0].requests = keys()[0].errors = 20;
  provider().outage = true;
  provider().backoff_until = kNow + kSecond;
  judge();
  const Texts before = {"error_rate key:1 warning", "provider_outage provider:openai critical"};
  ASSERT_EQ(alerts(), before);

  watching_since = kNow;
  keys()[0].requests = keys()[0].errors = 0;
  provider() = {.name = "openai", .keys = 2};
  EXPECT_EQ(judge(kNow + kMinute).look_again, kNow + kMemoryGap);
  EXPECT_EQ(alerts(), before);
  judge(kNow + kMemoryGap);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ARestartKeepsNothingThatIsKnownToBeOver) {
  keys() = {healthy_key(1)};
  keys()[0].requests = keys()[0].errors = 20;
  provider().outage = true;
  provider().backoff_until = kNow + kSecond;
  judge();
  watching_since = kNow;
  keys()[0].errors = 0;
  provider() = {.name = "openai", .answered = true, .keys = 2};
  judge(kNow + kMinute);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, AKeyIsUnusedWhenOthersWereUsedLongAfterIt) {
  keys() = {healthy_key(1), healthy_key(2)};
  keys()[0].last_used_at = kNow - 2 * kDay;
  judge();
  EXPECT_EQ(alerts(), Texts{"unused_key key:1 info"});
  keys()[0].last_used_at = kNow;
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, WhenAllUseStopsNoKeyIsUnused) {
  keys() = {healthy_key(1), healthy_key(2)};
  keys()[0].last_used_at = kNow - 5 * kDay;
  keys()[1].last_used_at = keys()[0].last_used_at + kDay - 1;
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, ANewRotatedDisabledOrUnhealthyKeyIsNotUnused) {
  KeyFact young = healthy_key(1);
  young.last_used_at = 0;
  young.created_at = kNow - kHour;
  KeyFact rotated = healthy_key(2);
  rotated.last_used_at = kNow - 9 * kDay;
  rotated.rotated_at = kNow - kHour;
  KeyFact disabled = healthy_key(3);
  disabled.last_used_at = 0;
  disabled.enabled = false;
  KeyFact unhealthy = unhealthy_key(4, FailureClass::kQuota);
  unhealthy.last_used_at = 0;
  keys() = {young, rotated, disabled, unhealthy, healthy_key(5)};
  judge();
  EXPECT_EQ(alerts(), Texts{"key_unhealthy key:4 warning"});
}

TEST_F(AlertRules, TheAgeOfAKeyThatWasNeverUsedIsAskedFor) {
  keys() = {healthy_key(1), healthy_key(2)};
  keys()[0].last_used_at = keys()[0].created_at = 0;
  EXPECT_EQ(judge().ages_needed, std::vector<std::int64_t>{1});
  EXPECT_EQ(alerts(), Texts{});
  keys()[0].created_at = kNow - 2 * kDay;
  EXPECT_TRUE(judge().ages_needed.empty());
  EXPECT_EQ(alerts(), Texts{"unused_key key:1 info"});
  limits.unused = 0;
  judge();
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, AnOutageLastsUntilASuccessOrSilence) {
  keys() = {healthy_key(1), healthy_key(2)};
  provider().outage = true;
  provider().backoff_until = kNow + kSecond;
  EXPECT_EQ(judge().look_again, kNow + kSecond);
  EXPECT_EQ(alerts(), Texts{"provider_outage provider:openai critical"});
  EXPECT_EQ(judge(kNow + kSecond).look_again, kNow + kSecond + kQuietTime);
  EXPECT_EQ(alerts(), Texts{"provider_outage provider:openai critical"});
  judge(kNow + kSecond + kQuietTime);
  EXPECT_EQ(alerts(), Texts{});

  judge(kNow);
  provider().outage = false;
  judge(kNow + 2 * kSecond);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, AnOutageThatIsRememberedEndsSoonAfterTheStartToo) {
  watching_since = kNow;
  keys() = {healthy_key(1)};
  provider() = {.name = "openai", .outage = true, .backoff_until = kNow + kSecond, .keys = 2};
  judge();
  ASSERT_EQ(alerts(), Texts{"provider_outage provider:openai critical"});
  provider().outage = false;
  judge(kNow + 2 * kSecond);
  EXPECT_EQ(alerts(), Texts{});
}

TEST_F(AlertRules, AProviderThatIsBusyForAWhileIsAWarning) {
  keys() = {healthy_key(1)};
  provider().backoff = 1;
  provider().backoff_until = kNow + kBrief - 1;
  judge();
  EXPECT_EQ(alerts(), Texts{});
  provider().backoff_until = kNow + kBrief;
  judge();
  EXPECT_EQ(alerts(), Texts{"provider_outage provider:openai warning"});
  provider().outage = true;
  judge();
  EXPECT_EQ(alerts(), Texts{"provider_outage provider:openai critical"});
  provider().keys = 0;
  judge();
  EXPECT_EQ(alerts(), Texts{}) << "of a provider without keys nobody takes notice";
}

}  // namespace
}  // namespace keypool::core
