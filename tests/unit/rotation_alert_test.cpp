#include "core/rotation_alert.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 1000 * kDay;

RotationFact fact_of(Micros age, Micros interval) {
  return {.key_id = 12,
          .provider = "openai",
          .owner = OwnerKind::kOrganization,
          .secret_since = kNow - age,
          .interval = interval};
}

TEST(RotationAlert, IsRaisedWhenTheSecretReachesTheInterval) {
  const auto cause = judge_rotation(fact_of(90 * kDay, 90 * kDay), 3, {}, kNow);
  ASSERT_TRUE(cause);
  EXPECT_EQ(cause->identity, (AlertIdentity{AlertKind::kRotationDue, "key:12"}));
  EXPECT_EQ(cause->severity, Severity::kWarning);
  EXPECT_EQ(cause->rotation, 3u);
}

TEST(RotationAlert, IsNotRaisedAMomentBefore) {
  EXPECT_FALSE(judge_rotation(fact_of(90 * kDay - 1, 90 * kDay), 0, {}, kNow));
}

TEST(RotationAlert, IsAmongTheJudgementsOfThePool) {
  PoolFacts facts;
  facts.rotations = {fact_of(kDay, 2 * kDay), fact_of(3 * kDay, 2 * kDay)};
  const auto causes = judge_alerts(facts, {}, {}, {.now = kNow, .watching_since = 0}).causes;
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0].rotation, 1u);
}

TEST(RotationAlert, SaysHowOldTheSecretIs) {
  const AlertText text = describe_rotation(fact_of(91 * kDay, 90 * kDay),
                                           {.name = "primary", .hint = "sk-…aB3d"}, kNow);
  EXPECT_EQ(text.message,
            "key 12 openai/primary (sk-…aB3d) is due for rotation: its secret is 91 days old, "
            "its rotation_interval is 90 days");
  EXPECT_NE(text.details.find("\"overdue_seconds\":86400"), std::string::npos);
  EXPECT_NE(text.details.find("\"key_source\":\"organization\""), std::string::npos);
}

}  // namespace
}  // namespace keypool::core
