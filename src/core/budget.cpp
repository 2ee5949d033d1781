#include "core/budget.hpp"

#include <algorithm>
#include <charconv>

#include "core/request_tally.hpp"

namespace keypool::core {

namespace {

constexpr std::array<std::string_view, kBudgetScopes> kScopes = {
    "global", "provider", "organization", "user", "key", "model", "anonymous"};
constexpr std::array<std::string_view, kBudgetPeriods> kPeriods = {"hour",  "day",   "week",
                                                                   "month", "total", "rolling"};
constexpr std::array<std::string_view, 3> kActions = {"warn", "block", "fallback"};

template <typename Enum, std::size_t kCount>
std::optional<Enum> from_name(const std::array<std::string_view, kCount>& names,
                              std::string_view text) noexcept {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view name(BudgetScope scope) noexcept { return kScopes[static_cast<int>(scope)]; }
std::string_view name(BudgetPeriod period) noexcept { return kPeriods[static_cast<int>(period)]; }
std::string_view name(BudgetAction action) noexcept { return kActions[static_cast<int>(action)]; }

std::optional<BudgetScope> budget_scope_from_name(std::string_view text) noexcept {
  return from_name<BudgetScope>(kScopes, text);
}
std::optional<BudgetPeriod> budget_period_from_name(std::string_view text) noexcept {
  return from_name<BudgetPeriod>(kPeriods, text);
}
std::optional<BudgetAction> budget_action_from_name(std::string_view text) noexcept {
  return from_name<BudgetAction>(kActions, text);
}

BudgetSubject::BudgetSubject(BudgetScope scope, const Spender& spender) noexcept {
  switch (scope) {
    case BudgetScope::kGlobal:
      counts_ = true;
      return;
    case BudgetScope::kAnonymous:
      counts_ = spender.user.empty() && spender.organization.empty();
      return;
    case BudgetScope::kProvider:
      text_ = spender.provider;
      break;
    case BudgetScope::kOrganization:
      text_ = spender.organization;
      break;
    case BudgetScope::kUser:
      text_ = spender.user;
      break;
    case BudgetScope::kModel:
      text_ = spender.model;
      break;
    case BudgetScope::kKey:
      if (spender.key_id <= 0) break;
      const auto end =
          std::to_chars(digits_.data(), digits_.data() + digits_.size(), spender.key_id);
      text_ = {digits_.data(), static_cast<std::size_t>(end.ptr - digits_.data())};
      break;
  }
  counts_ = !text_.empty();
}

Micros rolling_step(Micros window) noexcept {
  const Micros share = (window + kRollingSteps - 2) / (kRollingSteps - 1);
  return std::max<Micros>(1, (share + kRequestBucket - 1) / kRequestBucket) * kRequestBucket;
}

int rolling_steps(Micros window) noexcept {
  const Micros step = rolling_step(window);
  return static_cast<int>((window + step - 1) / step) + 1;
}

}  // namespace keypool::core
