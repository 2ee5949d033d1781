// Where the root key comes from: the file keypool.root_key_file names, else the output of
// keypool.root_key_command, else the file made in the data directory at the first start.
//
// Not cached here: the process's keyring (store/keyring.hpp) derives from it what it needs. Every
// failure is kRootKeyUnavailable and says which source was tried, never what it delivered.
#pragma once

#include "core/secret.hpp"

namespace keypool::store {

// 32 bytes. Waits for the command; a cancel reaches it too. Throws PgError when interrupted.
core::Secret read_root_key();

// For the start of the postmaster: makes the default file where it is needed and missing, and warns
// of what it means. Never on a standby or in recovery to a point, which must have the key of the
// server they follow. A failure is logged and stops nothing: the first use reports it again.
void ensure_default_root_key() noexcept;

}  // namespace keypool::store
