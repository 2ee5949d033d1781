// Another root key for this server, and the keys of this database wrapped with it.
//
// A root key that somebody has put before the old one is taken into use; where there is none, and
// the source is a file of the server's own, one is made. The other databases follow by themselves:
// their workers are told. Until the last one has, the old key must stay where it is.
#pragma once

#include <cstddef>
#include <string>

namespace keypool::store {

struct RootRotation {
  std::string root_key;   // the newest, as people see it
  std::string file;       // in which it was made; empty: it was there already
  std::size_t keys;       // of this database that are wrapped
  std::size_t rewrapped;  // of those, now
};

// In a transaction that may write. Of several that do this at once, in any database of this server,
// each waits for the one before. If the transaction is rolled back after a key was made, the key
// stays in its file, and the worker takes it into use. Throws kNotReady where a new key must be put
// in place by hand, kRootKeyUnavailable, PgError.
RootRotation rotate_root_key();

}  // namespace keypool::store
