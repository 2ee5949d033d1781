#include "store/audit_board.hpp"

#include "core/error.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"
#include "store/audit_caller.hpp"
#include "store/report.hpp"
#include "store/shared_block.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/proc.h"
}

namespace keypool::store {

namespace {

using core::AuditSlot;

constexpr std::size_t kHeader = alignof(BoardSlot);
static_assert(sizeof(AuditBoard) <= kHeader);

constexpr core::Micros kPatience = 10 * core::kSecond;
constexpr long kLookAgainMs = 50;

constinit SharedBlock block = {
    .name = "pg_keypool audit",
    .bytes = [] { return kHeader + sizeof(BoardSlot) * static_cast<std::size_t>(MaxBackends); },
    .create =
        [](void* zeroed) {
          static_cast<AuditBoard*>(zeroed)->slots = static_cast<std::uint32_t>(MaxBackends);
        },
    .attached = nullptr};

constinit AuditSlot::Guess last_pick = {};

const core::AuditCaller& caller_now() {
  bool changed = false;
  const core::AuditCaller& caller = audit_caller(changed);
  if (changed) last_pick = {};
  return caller;
}

BoardSlot& own_slot() noexcept { return audit_board().begin()[pg::process_number()]; }

const core::AuditDeed& pick_deed() noexcept {
  static constinit core::AuditDeed deed = {};
  if (deed.action.bytes[0] == '\0') deed.action.assign(core::kPickAction);
  return deed;
}

core::Error unwritten() {
  return {core::ErrorCode::kWorkerUnavailable, "pick cannot be recorded in the audit log",
          "keypool.audit_picks is \"every\", and the worker has yet to write what this session "
          "picked before.",
          "See keypool.worker_status for what keeps it."};
}

void wait_for_worker() {
  pg::call([] {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLookAgainMs,
              PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  });
}

void call_worker_now() noexcept {
  audit_board().urgent.fetch_add(1);
  wake_worker(MyDatabaseId);
}

void note_single_pick(BoardSlot& own, const core::AuditCaller& caller, std::int64_t key_id,
                      core::Micros at) {
  AuditSlot::Guess none = {};
  const core::Micros deadline = now() + kPatience;
  while (own.slot.note(caller, pick_deed(), key_id, at, true, none) == AuditSlot::Noted::kNoRoom) {
    if (now() >= deadline) throw unwritten();
    own.waiter.store(MyLatch);
    call_worker_now();
    wait_for_worker();
  }
  own.waiter.store(nullptr);
  call_worker_now();
}

}  // namespace

BoardSlot* AuditBoard::begin() noexcept {
  return reinterpret_cast<BoardSlot*>(reinterpret_cast<char*>(this) + kHeader);
}

AuditBoard& audit_board() noexcept { return *static_cast<AuditBoard*>(block.memory); }

void install_audit_board() { install_block(block); }

void attach_audit_board() { attach_block(block); }

void forget_audit(std::uint32_t database) noexcept {
  for (BoardSlot& slot : audit_board()) slot.slot.forget(database);
}

void note_pick(std::int64_t key_id, core::Micros at) {
  const auto mode = static_cast<pg::PickAudit>(pg::settings().audit_picks);
  if (mode == pg::PickAudit::kOff) return;
  const core::AuditCaller& caller = caller_now();
  BoardSlot& own = own_slot();
  // A standby can write nothing: what is picked there is counted, and written should it be
  // promoted.
  if (mode == pg::PickAudit::kEvery && !RecoveryInProgress()) {
    return note_single_pick(own, caller, key_id, at);
  }
  const auto noted = own.slot.note(caller, pick_deed(), key_id, at, false, last_pick);
  if (noted != AuditSlot::Noted::kCounted) [[unlikely]]
    note_dirty(current_database());
}

void note_deed(const core::AuditDeed& deed, std::int64_t key_id, core::Micros at) {
  AuditSlot::Guess none = {};
  own_slot().slot.note(caller_now(), deed, key_id, at, false, none);
  note_dirty(current_database());
}

}  // namespace keypool::store
