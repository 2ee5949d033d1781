// Where the root keys come from: the file keypool.root_key_file names, else the output of
// keypool.root_key_command, else the file made in the data directory at the first start.
//
// Not cached here: the process's keyring (store/keyring.hpp) derives from it what it needs. Every
// failure is kRootKeyUnavailable and says which source was tried, never what it delivered.
#pragma once

#include <string>
#include <vector>

#include "core/secret.hpp"

namespace keypool::store {

using RootKeys = std::vector<core::Secret>;

// 32 bytes each, the newest first, at least one. Waits for the command; a cancel reaches it too.
// Throws PgError when interrupted.
RootKeys read_root_keys();

// Puts a new key before `keys`, which are what the source holds, by writing its file anew, and
// returns the file's path. A crash on the way leaves the old file or the new one. Throws kNotReady
// where it cannot: the source is a command, or the file or its folder is not the server's to write.
// Whoever calls keeps everybody else in this server from doing the same meanwhile.
std::string make_root_key(RootKeys keys);

// For the start of the postmaster: makes the default file where it is needed and missing, and warns
// of what it means. Never on a standby or in recovery to a point, which must have the key of the
// server they follow. A failure is logged and stops nothing: the first use reports it again.
void ensure_default_root_key() noexcept;

}  // namespace keypool::store
