// The providers that a request may be served by, one after the other, and what its model is called
// there.
#pragma once

#include <string>
#include <vector>

#include "core/pool.hpp"
#include "store/pick_request.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

struct ChainLink {
  std::string provider;
  std::string model;  // empty: any
};

// The provider asked for first; with `goes_on` those of the chain after it, in its order, or all in
// the order of what the request would cost there (those of unknown price last). Empty: the provider
// is not known. Needs a transaction; throws PgError.
std::vector<ChainLink> chain_of(core::Database& database, const PickRequest& request, bool goes_on);

}  // namespace keypool::store
