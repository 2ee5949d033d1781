// What the next request is likely to cost: what acquire_key reserves when nobody tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// A request of that model cost so much, just now.
void note_cost(std::string_view provider, std::string_view model, std::int64_t nano) noexcept;

// Nano-dollars, at least 1. From the model's price and the tokens expected (0: not told), else from
// what its requests cost lately, else from its price and a request of ordinary size. Without a
// model from what the provider's requests cost lately. Nothing when all of these are unknown. Needs
// a transaction; throws PgError.
std::optional<std::int64_t> estimate_cost(std::string_view provider, std::string_view model,
                                          std::uint32_t tokens, core::Micros now);

// The same by the price list alone, of so many tokens, or of a request of ordinary size: for
// comparing providers.
std::optional<std::int64_t> listed_cost(std::string_view provider, std::string_view model,
                                        std::uint32_t tokens, core::Micros now);

}  // namespace keypool::store
