// estimate_cost: what a request would cost if it were logged now.
#include "core/price.hpp"
#include "core/request_rules.hpp"
#include "pg/entry.hpp"
#include "store/coherence.hpp"
#include "store/prices.hpp"
#include "store/provider_name.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// estimate_cost(provider, model, input_tokens, output_tokens, cached_tokens) → dollars
Datum estimate_cost(const pg::Args& args) {
  const auto asked = args.get<std::string_view>(0);
  const auto model = args.get<std::string_view>(1);
  const core::Tokens tokens = {args.optional<std::int32_t>(2).value_or(0),
                               args.optional<std::int32_t>(3).value_or(0),
                               args.optional<std::int32_t>(4).value_or(0)};
  core::check_request({.input_tokens = tokens.input,
                       .output_tokens = tokens.output,
                       .cached_tokens = tokens.cached});
  store::catch_up();
  const store::ProviderName provider = store::provider_name(store::current_database(), asked);
  const auto price = store::price_at(provider.view(), model, store::now());
  if (!price) return args.null_result();
  const auto cost = core::cost_of(*price, tokens);
  return cost ? pg::to_datum(pg::Nanos{cost->total_nano()}) : args.null_result();
}

}  // namespace

KEYPOOL_FUNCTION(estimate_cost, estimate_cost);

}  // namespace keypool::api
