#include "store/check_requests.hpp"

#include <string>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "pg/settings.hpp"
#include "store/worker_board.hpp"
#include "store/worker_board_memory.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Under the lock; null when the table is full.
PendingCheck* free_place() noexcept {
  for (PendingCheck& pending : board().checks) {
    if (pending.number == 0) return &pending;
  }
  return nullptr;
}

[[noreturn]] void refuse_without_worker(WorkerState state) {
  const std::string why = state == WorkerState::kStarting ? "It is starting."
                          : pg::settings().worker         ? "It is not running."
                                                          : "keypool.worker is off.";
  throw core::Error(core::ErrorCode::kWorkerUnavailable,
                    "the background worker of this database is not available", why,
                    "See keypool.worker_status and the server's log.");
}

}  // namespace

CheckTicket post_check(dsm_handle segment) {
  CheckTicket ticket = {};
  WorkerState state = WorkerState::kAbsent;
  {
    const pg::ExclusiveGuard guard(board_lock());
    const BoardEntry* entry = find_entry(MyDatabaseId);
    if (entry != nullptr) state = entry->report.state;
    if (state == WorkerState::kRunning) {
      if (PendingCheck* place = free_place()) {
        ticket = {++board().last_check, entry->report.pid};
        *place = {ticket.number, MyDatabaseId, {segment, MyProcPid}, MyLatch};
      }
    }
  }
  if (state != WorkerState::kRunning) refuse_without_worker(state);
  if (ticket.number == 0) {
    throw core::Error(
        core::ErrorCode::kConfigurationLimit, "too many key checks are waiting for a worker",
        "At most " + std::to_string(kMaxCheckRequests) + " can.", "Try again in a moment.");
  }
  wake_worker(MyDatabaseId);
  return ticket;
}

void cancel_check(const CheckTicket& ticket) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  for (PendingCheck& pending : board().checks) {
    if (pending.number == ticket.number) pending = {};
  }
}

bool check_abandoned(const CheckTicket& ticket) noexcept {
  const WorkerReport report = worker_report(MyDatabaseId);
  return report.pid != ticket.worker;
}

std::optional<CheckRequest> take_check() noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  PendingCheck* oldest = nullptr;
  for (PendingCheck& pending : board().checks) {
    if (pending.number == 0 || pending.database != MyDatabaseId) continue;
    if (oldest == nullptr || pending.number < oldest->number) oldest = &pending;
  }
  if (oldest == nullptr) return std::nullopt;
  const CheckRequest taken = oldest->request;
  *oldest = {};
  return taken;
}

void drop_checks(Oid database) noexcept {
  for (PendingCheck& pending : board().checks) {
    if (pending.number == 0 || pending.database != database) continue;
    SetLatch(pending.requester_latch);
    pending = {};
  }
}

}  // namespace keypool::store
