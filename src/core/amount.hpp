// Amounts of money as people and price lists write them, read without ever being a double.
//
// An amount is zero or more: decimal digits with an optional point and a modest exponent ("0.03",
// "1e-07"). Pure functions: any thread, no lock; they throw nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keypool::core {

bool is_amount(std::string_view text) noexcept;

// The amount times 10 to the power of `scale`, rounded half up to a whole number. Nothing for what
// is no amount, and from 10 to the power of 18 on.
std::optional<std::int64_t> scaled_amount(std::string_view text, int scale) noexcept;

}  // namespace keypool::core
