// The base URL a key brings of its own, from its row: few keys have one, so the pool does not
// carry it. Empty when the row is gone. Needs a transaction; throws PgError.
#pragma once

#include <cstdint>
#include <string>

namespace keypool::store {

std::string key_base_url(std::int64_t key_id);

}  // namespace keypool::store
