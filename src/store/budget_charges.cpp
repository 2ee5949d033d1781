#include "store/budget_charges.hpp"

#include <cmath>
#include <string>

#include "pg/settings.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

core::Spender spender_of(const core::RequestDimensions& dimensions) noexcept {
  return {.provider = dimensions.provider.value_or(""),
          .model = dimensions.model.value_or(""),
          .user = dimensions.user_id.value_or(""),
          .organization = dimensions.organization_id.value_or(""),
          .key_id = dimensions.api_key_id.value_or(0)};
}

std::int64_t unknown_cost_nano() noexcept {
  return static_cast<std::int64_t>(std::llround(pg::settings().unknown_request_cost * 1e9));
}

std::int64_t charge_of(const core::RequestSums& sums) noexcept {
  return sums.cost_nano + sums.unpriced * unknown_cost_nano();
}

void charge_budgets(const core::Database& database, core::PendingUsage& pending, int level,
                    const LoggedRequest& request, int sign) {
  const std::uint32_t scopes = database.budgets.scopes.load();
  if (scopes == 0) [[likely]]
    return;
  const core::Spender spender = {.provider = request.provider,
                                 .model = request.model,
                                 .user = request.user_id,
                                 .organization = request.organization_id,
                                 .key_id = request.api_key_id.value_or(0)};
  const std::int64_t nano = request.is_priced ? request.cost_nano : unknown_cost_nano();
  const core::Micros bucket = core::request_bucket(request.created_at);
  for (std::size_t i = 0; i < core::kBudgetScopes; ++i) {
    if ((scopes >> i & 1) == 0) continue;
    const auto scope = static_cast<core::BudgetScope>(i);
    const core::BudgetSubject subject(scope, spender);
    if (!subject) continue;
    pending.charge(level, {scope, std::string(subject.text()), bucket}, sign * nano);
  }
}

}  // namespace keypool::store
