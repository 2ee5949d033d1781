// Reads committed keys into the pool. The epoch is read before the snapshot is taken, so that a
// commit in between is loaded again rather than missed; the caller's own uncommitted changes are
// not seen. Needs a transaction; throws PgError, and kConfigurationLimit when the pool is full.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/pool.hpp"

namespace keypool::store {

// Loads providers and mirrored keys if a commit changed them since they were loaded. Of more keys
// than there is room for, the oldest are loaded and the server's log says so.
void ensure_mirrored(core::Database& database);

// Loads the user's keys of that provider (index in the pool), whatever the pool has of them.
void load_user(core::Database& database, std::uint32_t provider, std::string_view user);

// Throws kConfigurationLimit when the pool has no slot for one more key of the system or of an
// organization: for whoever is about to store one.
void require_room();

enum class KeyPresence { kLoaded, kRevoked, kMissing };

// Brings the key with this id into the pool, whoever owns it.
KeyPresence load_key(core::Database& database, std::int64_t key_id);
// The same for whoever can do without it there: a full pool is no error.
void load_key_if_room(core::Database& database, std::int64_t key_id);

}  // namespace keypool::store
