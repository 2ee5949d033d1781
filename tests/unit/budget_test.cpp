#include "core/budget.hpp"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "core/request_tally.hpp"

namespace keypool::core {
namespace {

constexpr Spender kAda = {.provider = "openai",
                          .model = "gpt-4o",
                          .user = "ada",
                          .organization = "acme",
                          .key_id = 9'223'372'036'854'775'807};
constexpr Spender kNobody = {};

std::string subject(BudgetScope scope, const Spender& spender) {
  const BudgetSubject found(scope, spender);
  return found ? "'" + std::string(found.text()) + "'" : "none";
}

TEST(Budget, NamesReadBackAsWhatTheyName) {
  for (int i = 0; i < static_cast<int>(kBudgetScopes); ++i) {
    const auto scope = static_cast<BudgetScope>(i);
    EXPECT_EQ(budget_scope_from_name(name(scope)), scope);
  }
  for (int i = 0; i <= static_cast<int>(BudgetPeriod::kRolling); ++i) {
    const auto period = static_cast<BudgetPeriod>(i);
    EXPECT_EQ(budget_period_from_name(name(period)), period);
  }
  for (int i = 0; i <= static_cast<int>(BudgetAction::kFallback); ++i) {
    const auto action = static_cast<BudgetAction>(i);
    EXPECT_EQ(budget_action_from_name(name(action)), action);
  }
}

TEST(Budget, UnknownNamesAreNone) {
  EXPECT_EQ(budget_scope_from_name("Global"), std::nullopt);
  EXPECT_EQ(budget_period_from_name(""), std::nullopt);
  EXPECT_EQ(budget_action_from_name("block "), std::nullopt);
}

TEST(Budget, SubjectIsWhomTheScopeNames) {
  EXPECT_EQ(subject(BudgetScope::kGlobal, kAda), "''");
  EXPECT_EQ(subject(BudgetScope::kProvider, kAda), "'openai'");
  EXPECT_EQ(subject(BudgetScope::kOrganization, kAda), "'acme'");
  EXPECT_EQ(subject(BudgetScope::kUser, kAda), "'ada'");
  EXPECT_EQ(subject(BudgetScope::kKey, kAda), "'9223372036854775807'");
  EXPECT_EQ(subject(BudgetScope::kModel, kAda), "'gpt-4o'");
}

TEST(Budget, WhoIsNotNamedCountsForNobodyInParticular) {
  EXPECT_EQ(subject(BudgetScope::kGlobal, kNobody), "''");
  EXPECT_EQ(subject(BudgetScope::kAnonymous, kNobody), "''");
  for (const BudgetScope scope : {BudgetScope::kProvider, BudgetScope::kOrganization,
                                  BudgetScope::kUser, BudgetScope::kKey, BudgetScope::kModel}) {
    EXPECT_EQ(subject(scope, kNobody), "none") << name(scope);
  }
}

TEST(Budget, AnonymousIsWithoutUserAndOrganization) {
  EXPECT_EQ(subject(BudgetScope::kAnonymous, kAda), "none");
  EXPECT_EQ(subject(BudgetScope::kAnonymous, {.user = "ada"}), "none");
  EXPECT_EQ(subject(BudgetScope::kAnonymous, {.organization = "acme"}), "none");
  EXPECT_EQ(subject(BudgetScope::kAnonymous, {.provider = "openai", .key_id = 1}), "''");
}

TEST(Budget, RollingWindowIsCoveredByItsStepsAtEveryMoment) {
  for (Micros window = kHour; window <= 366 * kDay; window += window / 7 + kMinute) {
    const Micros step = rolling_step(window);
    const int steps = rolling_steps(window);
    EXPECT_EQ(step % kRequestBucket, 0) << window;
    EXPECT_LE(steps, kRollingSteps) << window;
    // The step that is being filled may have just begun, or be all but over.
    EXPECT_GE((steps - 1) * step, window) << window;
    EXPECT_LT((steps - 2) * step, window) << window;
  }
}

TEST(Budget, RollingStepIsATwentyfirstInWholeQuarters) {
  EXPECT_EQ(rolling_step(kHour), 15 * kMinute);
  EXPECT_EQ(rolling_step(21 * 15 * kMinute), 15 * kMinute);
  EXPECT_EQ(rolling_step(21 * 15 * kMinute + 1), 30 * kMinute);
  EXPECT_EQ(rolling_step(7 * kDay), 8 * kHour);
  EXPECT_EQ(rolling_steps(7 * kDay), 22);
  EXPECT_EQ(rolling_steps(kHour), 5);
}

}  // namespace
}  // namespace keypool::core
