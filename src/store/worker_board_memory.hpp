// The worker board as it lies in shared memory; for the files that implement it only.
//
// Everything is guarded by the board's lock, except the atomics, which wake_worker() and others
// read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/pool.hpp"
#include "store/check_requests.hpp"
#include "store/import_channel.hpp"
#include "store/reencryption_board.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/latch.h"
}

namespace keypool::store {

struct BoardEntry {
  std::atomic<Oid> database;  // 0: free; written under the lock
  // Of the worker's process slot, which lies in shared memory for good: setting the latch of a
  // process that has gone is harmless, at worst its successor in the slot wakes once too often.
  std::atomic<Latch*> latch;  // null: no worker; written under the lock
  pid_t holder;               // 0: none
  bool changed;               // the launcher has not yet heard of it
  WorkerReport report;
  ReencryptionReports reencryption;
};

struct PendingCheck {
  std::uint64_t number;  // 0: the entry is free
  Oid database;
  CheckRequest request;
  Latch* requester_latch;
};

// An import's order: posted, then bound to a row of keypool.request_imports by the worker.
enum class ImportStage : std::uint8_t { kPosted, kBound, kEnded };

struct PendingImport {
  std::uint64_t number;  // 0: the entry is free
  Oid database;
  ImportStage stage;
  bool withdrawn;
  pid_t requester;
  Latch* requester_latch;
  dsm_handle segment;
  pid_t taker;                    // the worker that knows of it; 0: none yet
  std::int64_t import_id;         // kBound
  std::array<char, 256> problem;  // kEnded; NUL-terminated
};

struct Board {
  Latch* launcher;  // null: none yet
  bool some_lost;   // as WorkerReports has them
  bool other_list;
  std::uint64_t last_check;
  std::uint64_t last_import;
  std::atomic<std::uint64_t> root_keys_changes;
  BoardEntry entries[core::kMaxDatabases];
  PendingCheck checks[kMaxCheckRequests];
  PendingImport imports[kMaxImportOrders];
};

static_assert(std::atomic<Oid>::is_always_lock_free && std::atomic<Latch*>::is_always_lock_free);

Board& board() noexcept;
LWLock* board_lock() noexcept;

// Under the lock. The entry of a database; null when it has none.
BoardEntry* find_entry(Oid database) noexcept;
// Under the lock, when the database's worker goes: nobody will take its requests.
void drop_checks(Oid database) noexcept;

}  // namespace keypool::store
