#include "api/pick_arguments.hpp"

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// Positions as sql/install/31_functions_pick.sql declares them.
enum {
  kProvider,
  kUserId,
  kOrganizationId,
  kModel,
  kEstimatedTokens,
  kEstimatedCost,
  kExclude,
  kFallback,
  kStrategy,
  kRegion,
  kCheaperFirst
};

core::Strategy known_strategy(std::string_view name) {
  if (const auto strategy = core::strategy_from_name(name)) return *strategy;
  std::string all;
  for (const std::string_view known : core::kStrategyNames) {
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    "strategy \"" + std::string(name) + "\" is not known", {},
                    "The strategies are " + all + ".");
}

template <typename Number>
Number not_negative(const char* argument, Number value) {
  if (value >= 0) return value;
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string(argument) + " must not be negative");
}

}  // namespace

PickArguments::PickArguments(const pg::Args& args) {
  request_.provider = args.get<std::string_view>(kProvider);
  request_.user = args.optional<std::string_view>(kUserId).value_or("");
  request_.organization = args.optional<std::string_view>(kOrganizationId).value_or("");
  request_.wish.model = args.optional<std::string_view>(kModel).value_or("");
  request_.wish.tokens = static_cast<std::uint32_t>(
      not_negative("estimated_tokens", args.optional<std::int32_t>(kEstimatedTokens).value_or(0)));
  const auto cost = args.optional<pg::Nanos>(kEstimatedCost);
  request_.has_cost = cost.has_value();
  request_.wish.cost_nano = not_negative("estimated_cost", cost.value_or(pg::Nanos{0}).value);
  exclude_ =
      args.optional<std::vector<std::int64_t>>(kExclude).value_or(std::vector<std::int64_t>{});
  request_.wish.exclude = exclude_;
  request_.fallback = args.optional<bool>(kFallback).value_or(false);
  if (const auto strategy = args.optional<std::string_view>(kStrategy)) {
    strategy_ = known_strategy(*strategy);
    request_.wish.strategy = &*strategy_;
  }
  request_.cheaper_first = args.optional<bool>(kCheaperFirst).value_or(false);
  request_.fallback |= request_.cheaper_first;
  const auto region = args.optional<std::string_view>(kRegion);
  if (region) request_.wish.region = core::text_hash(*region);
}

}  // namespace keypool::api
