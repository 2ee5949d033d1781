// The board in shared memory on which the launcher, the workers and everybody else leave word for
// each other: one entry per database that has a worker or may need one.
//
// A block of its own with a lock of its own, taken for moments only and never together with the
// pool's. Everything may be called from any process that has the board (_PG_init installs it, the
// worker's library attaches to it); what only one kind of process calls says so. Nothing here
// throws: what cannot be done is answered with false. Checks on demand: store/check_requests.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// --- set-up

// _PG_init only: asks for the shared memory and makes the board when it is there.
void install_worker_board();
// The worker's library: attaches to what the server set up.
void attach_worker_board();

// --- anybody

enum class WorkerState : std::uint8_t { kAbsent, kStarting, kRunning, kStopping };
std::string_view name(WorkerState state) noexcept;

// Why a worker went, which decides what the launcher does next.
enum class WorkerExit : std::uint8_t {
  kCrashed,      // anything unforeseen: again, after a while
  kAsked,        // SIGTERM, keypool.worker = off, a hold: again when nothing speaks against it
  kNoExtension,  // not again until somebody reports a change
};

struct WorkerFigures {
  std::int64_t keys_watched;
  std::int64_t checks_done;    // since the worker started
  std::int64_t checks_failed;  // of those
  std::int32_t checks_in_flight;
};

inline constexpr std::size_t kMaxWorkerError = 160;

struct WorkerReport {
  pid_t pid;  // 0: none
  WorkerState state;
  WorkerExit exit;  // of the last one that went
  core::Micros started_at;
  core::Micros last_cycle_at;
  WorkerFigures figures;
  std::array<char, kMaxWorkerError> last_error;  // NUL-terminated; survives the worker
};

// What is known of this database's worker; all zero when nothing is.
WorkerReport worker_report(Oid database) noexcept;

// There is something to do in this database. Lock-free, for the pick path. Without a worker nothing
// happens: one that starts looks for itself.
void wake_worker(Oid database) noexcept;

// Something of ours changed in this database: if it has no worker, the launcher looks again whether
// it needs one. For commit callbacks; cheap when a worker runs.
void wake_launcher(Oid database) noexcept;

// --- whoever needs a database to itself (DROP DATABASE …)

// Sends the worker away and lets none start until release_databases(), or until this process has
// ended. Does not wait. A later holder takes a hold over: should it end first, a new worker may
// come early, and then waits for the first one's lock on the database like any other connection.
void hold_database(Oid database) noexcept;
bool worker_gone(Oid database) noexcept;
// Undoes this process's holds; the launcher looks at all databases again.
void release_databases() noexcept;
// The database needs no worker, or is no more: its entry is free again, unless somebody uses it.
void forget_worker(Oid database) noexcept;

// --- the launcher

// From now on this process is woken by reports, and by each worker that goes.
void announce_launcher() noexcept;
// What was reported since the last call.
struct WorkerReports {
  std::vector<Oid> changed;
  bool some_lost;   // the board was too full to say what changed
  bool other_list;  // databases may have come, gone or changed their names
};
WorkerReports take_reports();
// Makes an entry for a worker about to be registered. False: one lives, the database is held, or
// the board is full.
bool begin_start(Oid database) noexcept;
// The worker that begin_start() announced did not come.
void cancel_start(Oid database) noexcept;

// --- the worker itself

// Takes the database's entry for this process until it exits. False: held, or taken.
bool claim_worker(Oid database) noexcept;
void set_worker_state(WorkerState state) noexcept;
// What the launcher shall make of this process's end; kCrashed unless said otherwise.
void set_worker_exit(WorkerExit exit) noexcept;
void note_cycle(core::Micros now) noexcept;
void note_figures(const WorkerFigures& figures) noexcept;
// Shown in keypool.worker_status; cut to fit. No secret in it.
void note_worker_error(std::string_view message) noexcept;

}  // namespace keypool::store
