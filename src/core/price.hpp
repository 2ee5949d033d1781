// What a request costs at its model's prices. Integers throughout: dollars are nano-dollars.
//
// cached_tokens are part of input_tokens. Input, cached or not, is one part and output the other;
// each part is rounded once, half up, to a whole nano-dollar, and the cost is their sum. SQL's
// round(…, 9) of the same product gives the same. Pure: any thread, throws nothing.
#pragma once

#include <cstdint>
#include <optional>

namespace keypool::core {

// Nano-dollars per million tokens; none is negative.
struct Price {
  std::int64_t input;
  std::int64_t output;
  std::optional<std::int64_t> cached_input;  // none: cached tokens cost what others do
};

// None is negative. More cached tokens than input: all of the input was cached, and then some.
struct Tokens {
  std::int32_t input;
  std::int32_t output;
  std::int32_t cached;
};

struct Cost {
  std::int64_t input_nano;
  std::int64_t output_nano;
  std::int64_t total_nano() const noexcept { return input_nano + output_nano; }
};

// The log keeps amounts below a million dollars: more is a mistake in the unit, and sums of such
// amounts would reach the end of what a number of nano-dollars can say.
inline constexpr std::int64_t kCostLimitNano = 1'000'000'000'000'000;

// Nothing when the cost reaches that limit: no price at which anybody sold a request.
std::optional<Cost> cost_of(const Price& price, const Tokens& tokens) noexcept;

}  // namespace keypool::core
