// What a budget is: whose spending it counts, over which period, and what happens at its end.
//
// Plain values and pure functions: any thread, no lock. A request is charged what it costs; one
// whose cost is not known is charged an assumed amount (keypool.unknown_request_cost), never
// nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.hpp"

namespace keypool::core {

enum class BudgetScope : std::uint8_t {
  kGlobal,
  kProvider,
  kOrganization,
  kUser,
  kKey,
  kModel,
  kAnonymous,  // requests that name neither a user nor an organization
};
inline constexpr std::size_t kBudgetScopes = 7;

enum class BudgetPeriod : std::uint8_t { kHour, kDay, kWeek, kMonth, kTotal, kRolling };
inline constexpr std::size_t kBudgetPeriods = 6;

enum class BudgetAction : std::uint8_t { kWarn, kBlock, kFallback };

// As keypool.budgets has them.
std::string_view name(BudgetScope scope) noexcept;
std::string_view name(BudgetPeriod period) noexcept;
std::string_view name(BudgetAction action) noexcept;
std::optional<BudgetScope> budget_scope_from_name(std::string_view text) noexcept;
std::optional<BudgetPeriod> budget_period_from_name(std::string_view text) noexcept;
std::optional<BudgetAction> budget_action_from_name(std::string_view text) noexcept;

// What money is spent for. Empty texts and a key of 0: not known, or none.
struct Spender {
  std::string_view provider;  // its name in the tables, no alias
  std::string_view model;
  std::string_view user;
  std::string_view organization;
  std::int64_t key_id;
};

// Whom the spending is counted for in a budget of that scope: the empty text where the scope knows
// nobody in particular, nothing where the budget is not about this spender.
class BudgetSubject {
 public:
  BudgetSubject(BudgetScope scope, const Spender& spender) noexcept;
  explicit operator bool() const noexcept { return counts_; }
  std::string_view text() const noexcept { return text_; }
  BudgetSubject(const BudgetSubject&) = delete;
  BudgetSubject& operator=(const BudgetSubject&) = delete;

 private:
  bool counts_;
  std::string_view text_;
  std::array<char, 20> digits_;  // of a key's id
};

// A rolling window moves in steps of about a twentyfirst of its length, in whole quarters of an
// hour: what is spent counts for at least the window's length and at most a step longer.
inline constexpr int kRollingSteps = 22;
Micros rolling_step(Micros window) noexcept;
// How many steps a window takes, the one being filled included; at most kRollingSteps.
int rolling_steps(Micros window) noexcept;

}  // namespace keypool::core
