// The stored key with a given secret, by the secret's fingerprint.
#pragma once

#include <cstdint>
#include <optional>

#include "core/cipher.hpp"

namespace keypool::store {

// Of several owners with the same secret the system comes first, then the key stored first; a
// revoked key has no fingerprint any more. Asks for no privilege, and looks with the active
// snapshot. Throws PgError.
std::optional<std::int64_t> find_key(const core::Digest& fingerprint);

}  // namespace keypool::store
