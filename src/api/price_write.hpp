// Setting prices of keypool.model_prices: what import_prices and import_keys share.
//
// Acts as the tables' owner. Locks the price list against other imports until the transaction ends;
// logging goes on. Throws PgError.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "api/provider_names.hpp"
#include "core/price_document.hpp"

namespace keypool::api {

// Of those given; the rest were given again further on.
struct PricesSet {
  std::int64_t added;
  std::int64_t updated;
  std::int64_t unchanged;
};

// The prices hold from now on; from ever, where a model had none. A provider's alias is turned into
// its name; one that nobody knows keeps its own. `origin` says where a price is from that does not
// say so itself.
PricesSet set_prices(const ProviderNames& providers, const std::vector<core::ListedPrice>& prices,
                     std::string_view origin);

}  // namespace keypool::api
