// The stored key with a given secret, by the secret's fingerprint.
#pragma once

#include <cstdint>
#include <optional>

#include "core/cipher.hpp"

namespace keypool::store {

// Of several owners with the same secret the system comes first, then the key stored first; a
// revoked key has no fingerprint any more. Looks as the tables' owner, with the active snapshot.
// Throws PgError.
std::optional<std::int64_t> find_key(const core::Digest& fingerprint);

}  // namespace keypool::store
