// Adds up what requests cost by the budgets that count them: what folding the log, opening the
// books of a budget and reading the tail have in common.
//
// A sum belongs to a budget, a subject (that of a '*' budget is found in the request) and a period.
// A request that no budget counts costs a few look-ups and nothing else. Plain memory but for the
// time zones (store/budget_period.hpp); one thread. Throws PgError, and Error when a sum leaves 64
// bits.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/budget.hpp"
#include "core/request_tally.hpp"
#include "store/budget_period.hpp"

namespace keypool::store {

struct BookedBudget {
  std::int64_t id;
  core::BudgetScope scope;
  std::string scope_id;  // "*": for each; empty where the scope names nobody
  PeriodRule rule;
  core::Micros counts_from;  // earlier periods are in no book
};

class BudgetSums {
 public:
  explicit BudgetSums(const std::vector<BookedBudget>& budgets);

  bool is_idle() const noexcept { return budgets_.empty(); }

  // At an instant of the period that the request belongs to.
  void add(core::Micros at, const core::Spender& spender, std::int64_t nano);

  // Some ten megabytes: whoever has more to add puts away first what there is.
  bool is_full() const noexcept { return sums_.size() >= 64 * 1024; }
  // Calls each(budget_id, subject, period_start, nano) for all sums but those of nothing.
  template <typename Each>
  void for_each(Each each) const {
    for (const auto& [key, nano] : sums_) {
      if (nano != 0) each(budgets_[key.budget].id, std::string_view(key.subject), key.starts, nano);
    }
  }
  void clear() noexcept { sums_.clear(); }

 private:
  struct Budget {
    std::int64_t id;
    std::size_t periods;
    core::Micros counts_from;
  };
  struct SumView {
    std::uint32_t budget;
    core::Micros starts;
    std::string_view subject;
  };
  struct SumKey {
    std::uint32_t budget;
    core::Micros starts;
    std::string subject;
    operator SumView() const noexcept { return {budget, starts, subject}; }
  };
  // Looked up by what is only viewed: a text is copied once for each sum.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept;
    std::size_t operator()(const SumView& sum) const noexcept;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const SumView& a, const SumView& b) const noexcept;
  };
  using Places = std::vector<std::uint32_t>;  // in budgets_

  // The budgets of one scope.
  struct Scope {
    Places for_each;
    std::unordered_map<std::string, Places, Hash, std::equal_to<>> named;
  };

  std::size_t periods_of(const PeriodRule& rule);
  void add(std::uint32_t budget, core::Micros at, std::string_view subject, std::int64_t nano);

  std::vector<Budget> budgets_;
  std::array<Scope, core::kBudgetScopes> scopes_;
  std::vector<core::BudgetScope> used_scopes_;
  std::vector<PeriodRule> rules_;  // each once, and their periods
  std::vector<BudgetPeriods> periods_;
  std::unordered_map<SumKey, std::int64_t, Hash, Equal> sums_;
};

}  // namespace keypool::store
