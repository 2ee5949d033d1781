// Rows of keypool.api_keys and keypool.alert_webhooks sealed anew under the newest data key, some
// blocks at a time, straight in the tables.
//
// Neither triggers nor privileges come in: the secret in an envelope stays what it is, and only the
// worker calls. A row that somebody is changing is passed over and counted; so is one that cannot
// be opened. Each function needs a transaction, which takes RowExclusiveLock on the table until it
// ends, and throws PgError.
#pragma once

#include <cstdint>
#include <string>

#include "core/keyring.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

enum class SealedTable : std::uint8_t { kApiKeys, kWebhooks };

struct Resealed {
  std::uint32_t blocks = 0;  // of the table
  std::int64_t rows = 0;     // with an envelope
  std::int64_t resealed = 0;
  std::int64_t busy = 0;    // passed over: somebody is changing them
  std::int64_t failed = 0;  // passed over: they cannot be opened
  std::string problem;      // of the first that failed

  std::int64_t left() const noexcept { return busy + failed; }
  void add(const Resealed& other);
};

// What of `count` blocks from `first` on is sealed under a data key older than `newest`, which is
// in the ring, like all older ones that are in the table.
Resealed reseal_blocks(core::Keyring& ring, std::uint32_t newest, SealedTable table,
                       std::uint32_t first, std::uint32_t count);

// How many rows of both tables are sealed under an older data key, in one snapshot taken now.
// Answers -1 when the process is asked to stop meanwhile.
std::int64_t count_old_seals(std::uint32_t newest);

}  // namespace keypool::store
