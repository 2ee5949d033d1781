#include "store/budget_sums.hpp"

#include <algorithm>

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

BudgetSums::BudgetSums(const std::vector<BookedBudget>& budgets) {
  budgets_.reserve(budgets.size());
  for (const BookedBudget& budget : budgets) {
    const auto place = static_cast<std::uint32_t>(budgets_.size());
    budgets_.push_back({budget.id, periods_of(budget.rule), budget.counts_from});
    Scope& scope = scopes_[static_cast<std::size_t>(budget.scope)];
    if (scope.for_each.empty() && scope.named.empty()) used_scopes_.push_back(budget.scope);
    (budget.scope_id == "*" ? scope.for_each : scope.named[budget.scope_id]).push_back(place);
  }
}

void BudgetSums::add(core::Micros at, const core::Spender& spender, std::int64_t nano) {
  if (nano == 0) return;
  for (const core::BudgetScope used : used_scopes_) {
    const core::BudgetSubject subject(used, spender);
    if (!subject) continue;
    const Scope& scope = scopes_[static_cast<std::size_t>(used)];
    for (const std::uint32_t budget : scope.for_each) add(budget, at, subject.text(), nano);
    const auto named = scope.named.find(subject.text());
    if (named == scope.named.end()) continue;
    for (const std::uint32_t budget : named->second) add(budget, at, subject.text(), nano);
  }
}

std::size_t BudgetSums::periods_of(const PeriodRule& rule) {
  const auto found = std::find(rules_.begin(), rules_.end(), rule);
  if (found != rules_.end()) return static_cast<std::size_t>(found - rules_.begin());
  periods_.emplace_back(rule);
  rules_.push_back(rule);
  return rules_.size() - 1;
}

void BudgetSums::add(std::uint32_t budget, core::Micros at, std::string_view subject,
                     std::int64_t nano) {
  const core::Micros starts = periods_[budgets_[budget].periods].holding(at).starts;
  if (starts < budgets_[budget].counts_from) return;
  const SumView sum = {budget, starts, subject};
  auto found = sums_.find(sum);
  if (found == sums_.end()) {
    found = sums_.emplace(SumKey{budget, starts, std::string(subject)}, 0).first;
  }
  if (!__builtin_add_overflow(found->second, nano, &found->second)) [[likely]]
    return;
  throw core::Error(
      core::ErrorCode::kConfigurationLimit,
      "spending of budget " + std::to_string(budgets_[budget].id) + " is out of range",
      "Nano-dollars of a period are counted in 64 bits.",
      "Correct the rows of the request log whose cost is absurd.");
}

std::size_t BudgetSums::Hash::operator()(std::string_view text) const noexcept {
  return std::hash<std::string_view>{}(text);
}

std::size_t BudgetSums::Hash::operator()(const SumView& sum) const noexcept {
  constexpr std::uint64_t kMixer = 0x9e3779b97f4a7c15;  // no pattern: the golden ratio's fraction
  const auto start = static_cast<std::uint64_t>(sum.starts);
  return (*this)(sum.subject) ^ ((start ^ sum.budget * kMixer) * kMixer >> 16);
}

bool BudgetSums::Equal::operator()(const SumView& a, const SumView& b) const noexcept {
  return a.budget == b.budget && a.starts == b.starts && a.subject == b.subject;
}

}  // namespace keypool::store
