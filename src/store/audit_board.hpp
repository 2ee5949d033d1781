// What sessions have done that only the worker writes into the audit log: picks, which write
// nothing themselves, and what has failed, whose transaction is rolled back. A slot of shared
// memory for each process of the server (core/audit_slot.hpp).
//
// Noting takes no lock that others contend for and calls nothing that can fail, with one exception:
// under keypool.audit_picks = every a pick waits for the worker when its slot is full.
#pragma once

#include <cstdint>

#include "core/audit_slot.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/latch.h"
}

namespace keypool::store {

// _PG_init only.
void install_audit_board();
// The worker's library: attaches to what the server set up.
void attach_audit_board();

// A secret is about to be handed out. As keypool.audit_picks says; with `every` throws
// kWorkerUnavailable when the worker does not write, and PgError when the pick is cancelled.
void note_pick(std::int64_t key_id, core::Micros at);

// Throws std::bad_alloc.
void note_deed(const core::AuditDeed& deed, std::int64_t key_id, core::Micros at);

// A database, or the extension in it, is gone, and with it the log.
void forget_audit(std::uint32_t database) noexcept;

struct BoardSlot {
  core::AuditSlot slot;
  std::atomic<Latch*> waiter;  // of a pick that waits for room
};

struct AuditBoard {
  std::atomic<std::uint64_t> urgent;  // moves when something must be written without delay
  std::uint32_t slots;

  BoardSlot* begin() noexcept;
  BoardSlot* end() noexcept { return begin() + slots; }
};

AuditBoard& audit_board() noexcept;

}  // namespace keypool::store
