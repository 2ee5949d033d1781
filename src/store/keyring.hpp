// The keys to the keys, in this process: read and unwrapped on first use, kept until the process
// ends or the extension is made anew. Needs a transaction when it has to read.
//
// Throws kRootKeyUnavailable (missing, unreadable, too open, wrong length, not the one this
// database was keyed with) and kDecryptionFailed (a damaged data key).
#pragma once

#include <cstdint>
#include <span>

#include "core/envelope.hpp"
#include "core/keyring.hpp"
#include "core/secret.hpp"

namespace keypool::store {

// With the data key of that number in it (0: any). Numbers the ring lacks are looked for in the
// table as it is committed now.
core::Keyring& keyring(std::uint32_t data_key = 0);

// The same, and if this database has no data key or fingerprint key yet, makes them; for sealing.
// Writes, so not in a read-only transaction or on a standby.
core::Keyring& keyring_for_writing();

// Opens an envelope into `out`, which holds its secret_size() at least, and returns that size.
std::size_t open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity,
                        std::span<std::byte> out);

// Opens an envelope. The identity must be the row's, or it fails (core/envelope.hpp).
core::Secret open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity);

}  // namespace keypool::store
