// The worker board as it lies in shared memory; for the files that implement it only.
//
// Everything is guarded by the board's lock, except the two atomics that wake_worker() reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/pool.hpp"
#include "store/check_requests.hpp"
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
};

struct PendingCheck {
  std::uint64_t number;  // 0: the entry is free
  Oid database;
  CheckRequest request;
  Latch* requester_latch;
};

struct Board {
  Latch* launcher;  // null: none yet
  bool some_lost;   // as WorkerReports has them
  bool other_list;
  std::uint64_t last_check;
  BoardEntry entries[core::kMaxDatabases];
  PendingCheck checks[kMaxCheckRequests];
};

static_assert(std::atomic<Oid>::is_always_lock_free && std::atomic<Latch*>::is_always_lock_free);

Board& board() noexcept;
LWLock* board_lock() noexcept;

// Under the lock. The entry of a database; null when it has none.
BoardEntry* find_entry(Oid database) noexcept;
// Under the lock, when the database's worker goes: nobody will take its requests.
void drop_checks(Oid database) noexcept;

}  // namespace keypool::store
