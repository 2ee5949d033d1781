#include "store/cost_estimate.hpp"

#include <algorithm>

#include "core/price.hpp"
#include "core/slot.hpp"
#include "store/prices.hpp"
#include "store/shared_budgets.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "miscadmin.h"
}

namespace keypool::store {

namespace {

// Of which nobody knows whether they go in or come out: all are taken for the dearer kind.
constexpr std::int64_t kOrdinaryTokens = 2000;

std::uint64_t place_of(std::string_view provider, std::string_view model) noexcept {
  std::uint64_t place = core::text_hash(provider) * 0x9e3779b97f4a7c15;
  if (!model.empty()) place ^= core::text_hash(model);
  return (place ^ MyDatabaseId) | 1;
}

std::int64_t cost_at(const core::Price& price, std::int64_t tokens) noexcept {
  std::int64_t nano = 0;
  const std::int64_t dearer = std::max(price.input, price.output);
  if (__builtin_mul_overflow(dearer, tokens, &nano)) return core::kCostLimitNano;
  const std::int64_t whole = nano / 1'000'000 + (nano % 1'000'000 != 0 ? 1 : 0);
  return std::clamp<std::int64_t>(whole, 1, core::kCostLimitNano);
}

}  // namespace

void note_cost(std::string_view provider, std::string_view model, std::int64_t nano) noexcept {
  recent_costs().note(place_of(provider, model), nano);
  if (!model.empty()) recent_costs().note(place_of(provider, {}), nano);
}

std::optional<std::int64_t> estimate_cost(std::string_view provider, std::string_view model,
                                          std::uint32_t tokens, core::Micros now) {
  if (model.empty()) return recent_costs().estimate(place_of(provider, {}));
  const auto price = price_at(provider, model, now);
  if (price && tokens != 0) return cost_at(*price, tokens);
  if (const auto recent = recent_costs().estimate(place_of(provider, model))) return recent;
  if (price) return cost_at(*price, kOrdinaryTokens);
  return std::nullopt;
}

std::optional<std::int64_t> listed_cost(std::string_view provider, std::string_view model,
                                        std::uint32_t tokens, core::Micros now) {
  const auto price = price_at(provider, model, now);
  if (!price) return std::nullopt;
  return cost_at(*price, tokens != 0 ? tokens : kOrdinaryTokens);
}

}  // namespace keypool::store
