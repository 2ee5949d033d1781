#include "store/budget_words.hpp"

#include "core/dollars.hpp"
#include "store/no_key.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

std::string limit_of(const core::BudgetConfig& budget) {
  std::string text = core::dollars(budget.limit_nano);
  switch (budget.period) {
    case core::BudgetPeriod::kTotal:
      return text + " in total";
    case core::BudgetPeriod::kRolling:
      return text + " in a rolling window";
    default:
      return text + " a " + std::string(core::name(budget.period));
  }
}

std::string subject_of(const core::AccountFigures& figures) {
  const std::string scope(core::name(figures.budget.scope));
  if (figures.budget.scope == core::BudgetScope::kGlobal) return "for everything";
  if (figures.budget.scope == core::BudgetScope::kAnonymous) return "for anonymous requests";
  return "of " + scope + " \"" + std::string(figures.subject_view()) + "\"";
}

std::string spent_and_reserved(const core::AccountFigures& figures) {
  return core::dollars(figures.spent_nano) + " spent and " + core::dollars(figures.reserved_nano) +
         " reserved";
}

// `budget 3 "team" of user "u1"`
std::string budget_name(const core::AccountFigures& figures) {
  std::string text = "budget " + std::to_string(figures.budget.id);
  if (!figures.budget.name_view().empty()) {
    text += " \"" + std::string(figures.budget.name_view()) + "\"";
  }
  return text + " " + subject_of(figures);
}

}  // namespace

std::string budget_objection(const core::AccountFigures& figures, std::int64_t wanted_nano,
                             bool unknown_cost) {
  if (unknown_cost) return budget_name(figures) + ": the cost of the request is not known";
  std::string text =
      budget_name(figures) + ": " + spent_and_reserved(figures) + " of " + limit_of(figures.budget);
  if (wanted_nano > 1) text += ", " + core::dollars(wanted_nano) + " wanted";
  if (figures.free_at != core::kNever) text += ", until " + second_of(figures.free_at);
  const std::string_view instead = figures.budget.fallback_model_view();
  if (!instead.empty()) text += ", falling back to model \"" + std::string(instead) + "\"";
  return text;
}

core::Error budget_refusal(const core::AccountFigures& figures, std::int64_t wanted_nano,
                           bool unknown_cost, std::string_view provider, std::string_view model) {
  if (unknown_cost) {
    const std::string what = model.empty() ? "a request to provider \"" + std::string(provider)
                                           : "model \"" + std::string(model) + "\" of provider \"" +
                                                 std::string(provider);
    return {core::ErrorCode::kLimitExceeded,
            budget_name(figures) + " is closed to requests of unknown cost",
            "Nobody knows what " + what + "\" costs.",
            "Name the model and add its price to keypool.model_prices, pass estimated_cost, or set "
            "the budget's fail_mode to 'open'."};
  }
  std::string detail =
      "The limit is " + limit_of(figures.budget) + ": " + spent_and_reserved(figures);
  if (wanted_nano > 1) detail += ", and this request may take " + core::dollars(wanted_nano);
  return {core::ErrorCode::kLimitExceeded, budget_name(figures) + " has no room for this request",
          detail + ".",
          figures.free_at == core::kNever
              ? "Raise limit_usd in keypool.budgets; keypool.budget_status shows all budgets."
              : "There is room again at " + second_of(figures.free_at) +
                    " at the latest. Raise limit_usd in keypool.budgets to have it at once."};
}

}  // namespace keypool::store
