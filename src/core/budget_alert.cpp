#include "core/budget_alert.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/dollars.hpp"
#include "core/limit_alert.hpp"
#include "core/phrases.hpp"

namespace keypool::core {

namespace {

using Json = nlohmann::json;

// Of a budget that refuses, so much of its limit is as good as nothing.
constexpr double kLastCrumb = 0.001;

struct Use {
  double spent;      // shares of the limit
  double committed;  // spent and reserved
  bool refuses;
};

Use use_of(const BudgetFact& budget) {
  const auto limit = static_cast<double>(budget.limit_nano);
  const auto spent = static_cast<double>(budget.spent_nano);
  const auto reserved = static_cast<double>(budget.reserved_nano);
  return {spent / limit, (spent + reserved) / limit, budget.action != BudgetAction::kWarn};
}

Strength spent_strength(const Use& use) {
  const double full = use.refuses ? 1 - kLastCrumb : 1;
  if (use.spent >= full) return Strength::kRaises;
  return use.committed >= full ? Strength::kKeeps : Strength::kNone;
}

Strength warning_strength(const Use& use, double share) {
  const double raises_at = std::min(share, 1.0);
  const bool spent = spent_strength(use) == Strength::kRaises;
  if (use.spent >= raises_at && !spent) return Strength::kRaises;
  return use.committed >= least_telling_share(share) ? Strength::kKeeps : Strength::kNone;
}

std::string_view period_words(BudgetPeriod period) {
  static constexpr std::string_view kWords[] = {"an hour", "a day",    "a week",
                                                "a month", "in total", "in its rolling window"};
  return kWords[static_cast<std::size_t>(period)];
}

std::string budget_words(const BudgetFact& budget) {
  std::string words = "budget " + std::to_string(budget.id);
  if (!budget.name.empty()) words += " (" + budget.name + ")";
  if (budget.scope == BudgetScope::kAnonymous) return words + " of anonymous requests";
  if (budget.subject.empty()) return words;
  return words.append(" of ").append(name(budget.scope)).append(" ").append(budget.subject);
}

std::string consequence(const BudgetFact& budget) {
  switch (budget.action) {
    case BudgetAction::kBlock:
      return "requests are refused";
    case BudgetAction::kFallback:
      return "requests go to its fallback";
    default:
      return "requests go on, as it only warns";
  }
}

}  // namespace

double least_telling_share(double share) noexcept { return std::min(share, 1.0) * kMilderShare; }

std::string subject_of(const BudgetFact& budget) {
  std::string subject = "budget:" + std::to_string(budget.id);
  if (budget.subject.empty()) return subject;
  return subject.append("/").append(name(budget.scope)).append(":").append(budget.subject);
}

std::vector<Cause> judge_budget(const BudgetFact& budget, std::size_t index, const OpenAlerts& open,
                                double share) {
  const Use use = use_of(budget);
  const struct {
    AlertKind kind;
    Severity severity;
    Strength strength;
  } alerts[] = {
      {AlertKind::kBudgetWarning, Severity::kWarning, warning_strength(use, share)},
      {AlertKind::kBudgetSpent, Severity::kCritical, spent_strength(use)},
  };
  std::vector<Cause> causes;
  for (const auto& alert : alerts) {
    if (alert.strength == Strength::kNone) continue;
    AlertIdentity identity{alert.kind, subject_of(budget)};
    const auto shown = severity_to_show(open, identity, alert.strength, alert.severity);
    if (!shown) continue;
    causes.push_back({.identity = std::move(identity), .severity = *shown, .budget = index});
  }
  return causes;
}

AlertText describe_budget(AlertKind kind, const BudgetFact& budget, double share, Micros now) {
  const Use use = use_of(budget);
  const bool spent = kind == AlertKind::kBudgetSpent;
  Json details = {{"budget_id", budget.id},
                  {"scope", name(budget.scope)},
                  {"period", name(budget.period)},
                  {"action", name(budget.action)},
                  {"limit_usd", static_cast<double>(budget.limit_nano) / 1e9},
                  {"spent_usd", static_cast<double>(budget.spent_nano) / 1e9},
                  {"reserved_usd", static_cast<double>(budget.reserved_nano) / 1e9},
                  {"spent_percent", std::round(use.spent * 1e4) / 100},
                  {"alert_percent", std::round((spent ? 1 : share) * 1e4) / 100}};
  if (!budget.name.empty()) details["name"] = budget.name;
  if (!budget.subject.empty()) details["subject"] = budget.subject;
  AlertText text;
  text.message = budget_words(budget) + (spent ? " is spent: " : " is running out: ") +
                 dollars(budget.spent_nano) + " of " + dollars(budget.limit_nano) + " " +
                 std::string(period_words(budget.period)) + " (" + percent(use.spent);
  text.message +=
      spent ? "); " + consequence(budget) : ", keypool.cost_alert is " + percent(share) + ")";
  if (budget.ends != kNever) {
    details["seconds_until_reset"] = seconds_until(budget.ends, now);
    text.message += "; it starts anew in " + duration(std::max<Micros>(0, budget.ends - now));
  }
  text.details = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text;
}

}  // namespace keypool::core
