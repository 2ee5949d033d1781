// What the workers say of their re-encryption on the worker board, and the word that the root keys
// may be others now, which concerns the workers of all databases.
//
// In shared memory, so that a look costs nothing; a restart of the server empties it, and the
// worker counts anew what is left. Anybody may read; only the worker writes. Nothing here throws.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

enum class Reencryption : std::uint8_t {
  kUnknown,   // no worker has looked since the server started
  kRunning,   // rows are sealed anew
  kWaiting,   // for transactions that are writing keys
  kBlocked,   // some rows cannot be opened
  kSettling,  // all are sealed anew; sessions let go of what they remember
  kDone,
};
std::string_view name(Reencryption state) noexcept;

struct ReencryptionReport {
  Reencryption state;
  std::uint32_t data_key;    // the newest
  std::int64_t done;         // rows under it, among those looked at
  std::int64_t left;         // the others, as far as it is known or can be guessed
  std::int64_t failed;       // of those, rows that cannot be opened
  core::Micros started_at;   // 0: unknown
  core::Micros finished_at;  // 0: not yet, or unknown
};

struct RootKeyReport {
  std::array<char, 16> newest;  // as people see it; NUL-terminated, empty: unknown
  bool failed;                  // the source cannot be read, or lacks one that is in use
};

struct ReencryptionReports {
  ReencryptionReport data_key;
  RootKeyReport root_key;
};

// All zero where nothing is known.
ReencryptionReports reencryption_reports(Oid database) noexcept;
// The worker's own.
void note_reencryption(const ReencryptionReport& report) noexcept;
void note_root_key(std::string_view newest, bool failed) noexcept;

// The root keys may be others: tells the workers of all databases.
void note_root_keys_changed() noexcept;
// Moves with each such word.
std::uint64_t root_keys_changes() noexcept;

}  // namespace keypool::store
