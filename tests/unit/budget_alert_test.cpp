#include "core/budget_alert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace keypool::core {
namespace {

constexpr std::int64_t kDollar = 1'000'000'000;
constexpr Micros kNow = 800'000 * kHour;

class BudgetAlert : public testing::Test {
 protected:
  BudgetAlert() {
    facts.budgets.push_back({.id = 3,
                             .name = "trial",
                             .scope = BudgetScope::kUser,
                             .subject = "u1",
                             .period = BudgetPeriod::kMonth,
                             .action = BudgetAction::kWarn,
                             .limit_nano = 10 * kDollar});
  }

  BudgetFact& budget() { return facts.budgets[0]; }

  // Which alerts are open once so many cents are spent, as `kind severity`.
  std::string after(std::int64_t spent_cents, std::int64_t reserved_cents = 0) {
    budget().spent_nano = spent_cents * kDollar / 100;
    budget().reserved_nano = reserved_cents * kDollar / 100;
    judgement = judge_alerts(facts, open, limits, {.now = kNow, .watching_since = 0});
    open.clear();
    std::string texts;
    for (const Cause& cause : judgement.causes) {
      EXPECT_EQ(cause.identity.subject, subject_of(facts.budgets[cause.budget]));
      open[cause.identity] = {1, cause.severity, 0};
      texts += (texts.empty() ? "" : ", ") + std::string(name(cause.identity.kind)) + " " +
               std::string(name(cause.severity));
    }
    return texts;
  }

  PoolFacts facts;
  OpenAlerts open;
  AlertLimits limits = {.cost = 0.8};
  Judgement judgement;
};

TEST_F(BudgetAlert, WarnsAtItsShareAndUntilATenthBelow) {
  EXPECT_EQ(after(799), "");
  EXPECT_EQ(after(800), "budget_warning warning");
  EXPECT_EQ(after(721), "budget_warning warning");
  EXPECT_EQ(after(719), "");
  EXPECT_EQ(after(721), "");
}

TEST_F(BudgetAlert, IsCriticalWhenNothingIsLeftAndKeepsTheWarning) {
  EXPECT_EQ(after(999), "budget_warning warning");
  EXPECT_EQ(after(1000), "budget_warning warning, budget_spent critical");
  EXPECT_EQ(after(1500), "budget_warning warning, budget_spent critical");
  EXPECT_EQ(after(999), "budget_warning warning");
  EXPECT_EQ(after(0), "");
}

TEST_F(BudgetAlert, ABudgetThatIsSpentAtOnceIsToldOfOnce) {
  EXPECT_EQ(after(1100), "budget_spent critical");
}

TEST_F(BudgetAlert, ABudgetThatRefusesIsSpentWhenHardlyAnythingIsLeft) {
  budget().action = BudgetAction::kBlock;
  EXPECT_EQ(after(998), "budget_warning warning");
  EXPECT_EQ(after(999), "budget_warning warning, budget_spent critical");
}

TEST_F(BudgetAlert, ReservationsRaiseNothingButKeepWhatIsOpen) {
  EXPECT_EQ(after(0, 1000), "");
  EXPECT_EQ(after(1000), "budget_spent critical");
  EXPECT_EQ(after(600, 400), "budget_spent critical");
  EXPECT_EQ(after(850, 100), "budget_warning warning");
  EXPECT_EQ(after(600, 150), "budget_warning warning");
  EXPECT_EQ(after(600, 100), "");
}

TEST_F(BudgetAlert, EachSubjectHasItsOwn) {
  facts.budgets.push_back(budget());
  facts.budgets[1].subject = "u2";
  facts.budgets[1].spent_nano = 20 * kDollar;
  EXPECT_EQ(after(850), "budget_warning warning, budget_spent critical");
  EXPECT_EQ(judgement.causes[0].identity.subject, "budget:3/user:u1");
  EXPECT_EQ(judgement.causes[1].identity.subject, "budget:3/user:u2");
  facts.budgets.pop_back();
  EXPECT_EQ(after(850), "budget_warning warning");
}

TEST_F(BudgetAlert, AShareOfOneTellsOfSpentBudgetsOnly) {
  limits.cost = 1;
  EXPECT_EQ(after(999), "");
  EXPECT_EQ(after(1000), "budget_spent critical");
}

TEST_F(BudgetAlert, SaysWhoseBudgetHowMuchAndUntilWhen) {
  budget().ends = kNow + 12 * kDay;
  after(810, 5);
  AlertText text = describe_alert(judgement.causes.at(0), facts, {}, limits, kNow);
  EXPECT_EQ(text.message,
            "budget 3 (trial) of user u1 is running out: $8.1 of $10 a month (81 %, "
            "keypool.cost_alert is 80 %); it starts anew in 12 days");
  EXPECT_EQ(nlohmann::json::parse(text.details),
            R"({"budget_id": 3, "name": "trial", "scope": "user", "subject": "u1",
                "period": "month", "action": "warn", "limit_usd": 10.0, "spent_usd": 8.1,
                "reserved_usd": 0.05, "spent_percent": 81.0, "alert_percent": 80.0,
                "seconds_until_reset": 1036800})"_json);
  open.clear();
  budget() = {.id = 4, .action = BudgetAction::kBlock, .limit_nano = kDollar};
  after(125);
  text = describe_alert(judgement.causes.at(0), facts, {}, limits, kNow);
  EXPECT_EQ(text.message, "budget 4 is spent: $1.25 of $1 in total (125 %); requests are refused");
}

TEST_F(BudgetAlert, HaveNamesInTheTables) {
  EXPECT_EQ(alert_kind_from_name("budget_warning"), AlertKind::kBudgetWarning);
  EXPECT_EQ(alert_kind_from_name("budget_spent"), AlertKind::kBudgetSpent);
}

}  // namespace
}  // namespace keypool::core
