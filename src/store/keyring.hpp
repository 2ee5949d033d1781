// The keys to the keys, in this process: read and unwrapped on first use, kept until the process
// ends or the extension is made anew. Needs a transaction when it has to read.
//
// A row that a root key has wrapped which this process does not know makes it read the root keys
// once more, so that sessions live on through a rotation. What is sealed is sealed under the newest
// data key that is committed at that moment; until the transaction ends, a lock on the table of
// data keys tells whoever retires the older ones that something may still come under this one.
//
// Throws kRootKeyUnavailable (missing, unreadable, too open, wrong length, not the one this
// database was keyed with) and kDecryptionFailed (a damaged data key).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/envelope.hpp"
#include "core/keyring.hpp"
#include "core/secret.hpp"

namespace keypool::store {

// With the data key of that number in it (0: any). Numbers the ring lacks are looked for in the
// table as it is committed now.
core::Keyring& keyring(std::uint32_t data_key = 0);

// For sealing: current() is the newest data key there is, and stays in the table until this
// transaction has ended and what it sealed was sealed anew. Makes the first keys of this database.
// Writes, so not in a read-only transaction or on a standby.
core::Keyring& keyring_for_writing();

// For fingerprints: the same without the newest data key and without the lock.
core::Keyring& keyring_for_fingerprints();

// Inserts a new data key, wrapped with the newest root key, and returns its number. What is sealed
// from here on is sealed under it; in other sessions, from this transaction's commit on.
std::uint32_t add_data_key();

// What rewrap_data_keys() found and did.
struct Rewrapped {
  std::size_t keys;       // rows of keypool.data_keys
  std::size_t rewrapped;  // of those
};

// Wraps with the first of `roots` what another of them has wrapped. All or nothing; waits for
// whoever is adding a data key.
Rewrapped rewrap_data_keys(std::vector<core::Secret> roots);

// Opens an envelope into `out`, which holds its secret_size() at least, and returns that size.
std::size_t open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity,
                        std::span<std::byte> out);

// Opens an envelope. The identity must be the row's, or it fails (core/envelope.hpp).
core::Secret open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity);

}  // namespace keypool::store
