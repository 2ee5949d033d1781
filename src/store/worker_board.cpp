#include "store/worker_board.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "pg/lwlock.hpp"
#include "store/shared_block.hpp"
#include "store/worker_board_memory.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procarray.h"
}

namespace keypool::store {

namespace {

constinit SharedBlock block = {.name = "pg_keypool workers", .bytes = [] { return sizeof(Board); }};

BoardEntry* own_entry = nullptr;  // the worker's, from claim_worker() on

// Under the lock; null when the board is full.
BoardEntry* find_or_make_entry(Oid database) noexcept {
  if (BoardEntry* entry = find_entry(database)) return entry;
  BoardEntry* entry = find_entry(InvalidOid);
  if (entry == nullptr) return nullptr;
  entry->holder = 0;
  entry->changed = false;
  entry->report = {};
  entry->reencryption = {};
  entry->database.store(database);
  return entry;
}

bool is_held(BoardEntry& entry) noexcept {
  if (entry.holder != 0 && BackendPidGetProc(entry.holder) == nullptr) entry.holder = 0;
  return entry.holder != 0;
}

void call_launcher() noexcept {
  if (board().launcher != nullptr) SetLatch(board().launcher);
}

// At the worker's end, whatever ends it, when it counts as connected to its database no more:
// exit callbacks run in reverse order, and this one was registered before the connection was made.
void leave_board(int, Datum) {
  const pg::ExclusiveGuard guard(board_lock());
  WorkerReport& report = own_entry->report;
  if (report.exit == WorkerExit::kCrashed && (ShutdownRequestPending || ProcDiePending)) {
    report.exit = WorkerExit::kAsked;
  }
  report.pid = 0;
  report.state = WorkerState::kAbsent;
  report.figures.checks_in_flight = 0;
  own_entry->latch.store(nullptr);
  drop_checks(own_entry->database.load());
  call_launcher();
}

}  // namespace

Board& board() noexcept { return *static_cast<Board*>(block.memory); }
LWLock* board_lock() noexcept { return block.lock; }

BoardEntry* find_entry(Oid database) noexcept {
  for (BoardEntry& entry : board().entries) {
    if (entry.database.load(std::memory_order_relaxed) == database) return &entry;
  }
  return nullptr;
}

void install_worker_board() { install_block(block); }

void attach_worker_board() { attach_block(block); }

std::string_view name(WorkerState state) noexcept {
  switch (state) {
    case WorkerState::kStarting:
      return "starting";
    case WorkerState::kRunning:
      return "running";
    case WorkerState::kStopping:
      return "stopping";
    case WorkerState::kAbsent:
      break;
  }
  return "absent";
}

WorkerReport worker_report(Oid database) noexcept {
  const pg::SharedGuard guard(board_lock());
  const BoardEntry* entry = find_entry(database);
  return entry != nullptr ? entry->report : WorkerReport{};
}

// The worker writes its latch down before it first looks for work, and the caller has made the work
// visible before it looks for the latch: one of the two sees the other.
void wake_worker(Oid database) noexcept {
  for (BoardEntry& entry : board().entries) {
    if (entry.database.load() != database) continue;
    if (Latch* latch = entry.latch.load()) SetLatch(latch);
    return;
  }
}

// A running worker notices by itself when its extension goes, and looks once more after it has
// ceased to be `running`: no change falls between its last look and the launcher's next.
void wake_launcher(Oid database) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  BoardEntry* entry = find_or_make_entry(database);
  if (entry == nullptr) {
    board().some_lost = true;
  } else if (entry->report.state != WorkerState::kRunning) {
    entry->changed = true;
  } else {
    return;
  }
  call_launcher();
}

void hold_database(Oid database) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  BoardEntry* entry = find_or_make_entry(database);
  if (entry == nullptr) return;  // without an entry no worker starts
  entry->holder = MyProcPid;
  // Its pid stands here until shortly before its process ends, and goes under this lock.
  if (entry->report.pid != 0) kill(entry->report.pid, SIGTERM);
}

bool worker_gone(Oid database) noexcept { return worker_report(database).pid == 0; }

void release_databases() noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  for (BoardEntry& entry : board().entries) {
    if (entry.holder == MyProcPid) entry.holder = 0;
  }
  board().other_list = true;
  call_launcher();
}

void forget_worker(Oid database) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  BoardEntry* entry = find_entry(database);
  if (entry == nullptr || entry->report.pid != 0 || entry->changed || is_held(*entry)) return;
  entry->database.store(InvalidOid);
}

void announce_launcher() noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  board().launcher = MyLatch;
  board().other_list = true;
  for (BoardEntry& entry : board().entries) {
    // Announced by a launcher that has died; should that worker come after all, it claims the
    // entry.
    if (entry.report.pid == 0) entry.report.state = WorkerState::kAbsent;
  }
}

WorkerReports take_reports() {
  WorkerReports reports = {};
  reports.changed.reserve(core::kMaxDatabases);
  const pg::ExclusiveGuard guard(board_lock());
  reports.some_lost = std::exchange(board().some_lost, false);
  reports.other_list = std::exchange(board().other_list, false);
  for (BoardEntry& entry : board().entries) {
    if (entry.database.load() == InvalidOid || !std::exchange(entry.changed, false)) continue;
    reports.changed.push_back(entry.database.load());
  }
  return reports;
}

bool begin_start(Oid database) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  BoardEntry* entry = find_or_make_entry(database);
  if (entry == nullptr || entry->report.pid != 0 || is_held(*entry)) return false;
  entry->report.state = WorkerState::kStarting;
  entry->report.exit = WorkerExit::kCrashed;
  return true;
}

void cancel_start(Oid database) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  BoardEntry* entry = find_entry(database);
  if (entry != nullptr && entry->report.pid == 0) entry->report.state = WorkerState::kAbsent;
}

bool claim_worker(Oid database) noexcept {
  {
    const pg::ExclusiveGuard guard(board_lock());
    BoardEntry* entry = find_or_make_entry(database);
    if (entry == nullptr || entry->report.pid != 0) return false;
    WorkerReport& report = entry->report;
    if (is_held(*entry)) {
      report.state = WorkerState::kAbsent;
      report.exit = WorkerExit::kAsked;
      return false;
    }
    report.pid = MyProcPid;
    report.state = WorkerState::kStarting;
    report.exit = WorkerExit::kCrashed;
    report.started_at = GetCurrentTimestamp();
    report.last_cycle_at = 0;
    report.figures = {};
    entry->latch.store(MyLatch);
    own_entry = entry;
  }
  on_shmem_exit(leave_board, Datum{0});
  return true;
}

void set_worker_state(WorkerState state) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  own_entry->report.state = state;
  call_launcher();
}

void set_worker_exit(WorkerExit exit) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  own_entry->report.exit = exit;
}

void note_cycle(core::Micros now) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  own_entry->report.last_cycle_at = now;
}

void note_figures(const WorkerFigures& figures) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  own_entry->report.figures = figures;
}

void note_worker_error(std::string_view message) noexcept {
  std::array<char, kMaxWorkerError> text = {};
  const int size = static_cast<int>(std::min(message.size(), text.size() - 1));
  // Cut between characters: the text is shown as one of the database's encoding.
  message.copy(text.data(), static_cast<std::size_t>(pg_mbcliplen(message.data(), size, size)));
  const pg::ExclusiveGuard guard(board_lock());
  own_entry->report.last_error = text;
}

}  // namespace keypool::store
