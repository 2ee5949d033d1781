// Reading a price list gives prices that the table takes, or one kind of error; every entry is
// counted once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "core/price_document.hpp"

namespace {

using namespace keypool::core;

bool fits(std::int64_t figure) { return figure >= 0 && figure < 1'000'000'000'000'000'000; }

void check(const PriceDocument& document) {
  std::size_t entries = document.prices.size();
  for (const SkippedEntries& skipped : document.skipped) {
    entries += skipped.count;
    if (skipped.examples.size() > skipped.count) std::abort();
  }
  if (entries != document.entries) std::abort();
  for (const ListedPrice& listed : document.prices) {
    const Price& price = listed.price;
    if (!fits(price.input) || !fits(price.output) || !fits(price.cached_input.value_or(0)) ||
        !is_model_name(listed.model) || listed.provider.empty()) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(parse_price_document({reinterpret_cast<const char*>(data), size}));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) std::abort();
  }
  return 0;
}
