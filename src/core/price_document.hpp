// Reads price lists: the public LiteLLM price map, and the `models` of import documents.
//
// The map is an object of model → entry with litellm_provider, input_cost_per_token and so on. An
// import document has {"providers": {"openai": {"models": [{"name": …,
// "input_cost_per_1k_tokens": …}]}}}; {"models": [{"provider": …, "name": …}]} and a bare array of
// such entries are taken too. Figures are read from the text of the numbers, so that 1e-07 stays
// what it is. What is no price list throws Error(kInvalidArgument) with the path of the place; an
// entry that gives no price is counted by its reason instead. Pure: any thread, no lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/price.hpp"

namespace keypool::core {

inline constexpr std::size_t kMostPriceBytes = 32 * 1024 * 1024;
inline constexpr std::size_t kMostPrices = 100'000;  // entries a document

struct ListedPrice {
  std::string provider;  // lower case, and ours where the list has another name for it
  std::string model;
  Price price;
  std::string source;  // where the entry says it is from, or empty
};

enum class NoPrice : std::uint8_t {
  kNotAnEntry,
  kBadName,     // of the model, or of the provider
  kBadFigure,   // negative, no number, or beyond what the price list can hold
  kNoFigure,    // no price for the tokens of its input
  kOtherUnits,  // tokens at zero, and a price for something else: not free
};
inline constexpr std::size_t kNoPriceReasons = 5;
// As people are told: "no price per token".
std::string_view describe(NoPrice reason) noexcept;

struct SkippedEntries {
  std::size_t count = 0;
  std::vector<std::string> examples;  // paths of the first few, scrubbed
};

struct PriceDocument {
  std::vector<ListedPrice> prices;
  std::size_t entries = 0;  // with a price or without
  std::array<SkippedEntries, kNoPriceReasons> skipped;
};

// What keypool.model_prices takes: 1 to 255 bytes, without control characters.
bool is_model_name(std::string_view name) noexcept;

PriceDocument parse_price_document(std::string_view json);

// Prices in dollars per 1000 tokens, as written. Nothing when one is no amount, or too large. The
// output of a model without a price for it is free, as an embedding's is: it has none.
std::optional<Price> price_per_1k(std::string_view input, std::string_view output,
                                  const std::optional<std::string>& cached_input);

}  // namespace keypool::core
