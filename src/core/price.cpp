#include "core/price.hpp"

#include <algorithm>

namespace keypool::core {

namespace {

// Two tokens counts below 2^31 times two prices below 2^63: 95 bits.
__extension__ using Wide = __int128;

constexpr Wide kPricedTokens = 1'000'000;

// Cut off above the limit, which keeps it within 64 bits.
std::int64_t rounded(Wide nano_millionths) noexcept {
  const Wide nanos = (nano_millionths + kPricedTokens / 2) / kPricedTokens;
  return static_cast<std::int64_t>(std::min<Wide>(nanos, kCostLimitNano));
}

}  // namespace

std::optional<Cost> cost_of(const Price& price, const Tokens& tokens) noexcept {
  const Wide fresh = std::max<Wide>(Wide{tokens.input} - tokens.cached, 0);
  const Wide input =
      fresh * price.input + Wide{tokens.cached} * price.cached_input.value_or(price.input);
  const Cost cost = {rounded(input), rounded(Wide{tokens.output} * price.output)};
  if (cost.total_nano() >= kCostLimitNano) return std::nullopt;
  return cost;
}

}  // namespace keypool::core
