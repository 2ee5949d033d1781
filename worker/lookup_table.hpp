// What the lookups of keys read and write: the rows of the request log that wait for their key, and
// the keys by fingerprint.
//
// Each function needs a transaction that acts as the tables' owner; throws PgError. Nothing here
// waits for a row that somebody else has locked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/lookup_plan.hpp"

namespace keypool::worker {

// Some `most` of them, if there are more.
std::vector<WaitingRow> read_waiting_rows(std::size_t most);

struct FoundKey {
  std::int64_t id = 0;  // 0: none
  std::string source;
};
// One for each fingerprint, in their order. Of several owners with the same secret the system comes
// first, then the key stored first, as in store/find_key.hpp.
std::vector<FoundKey> find_keys(const std::vector<std::string>& fingerprints);

struct SettledRows {
  std::uint64_t found = 0;
  std::uint64_t failed = 0;
};
// Gives a key to the rows for which one was found, and marks those that had their last attempt.
// A row that is locked, or no longer waits, is left as it is.
SettledRows settle_rows(const DueLookups& lookups, const std::vector<FoundKey>& keys);

}  // namespace keypool::worker
