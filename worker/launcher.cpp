// The launcher: one for the server, always there, connected to no database. Starts a worker in
// every database, and keeps one where it stays.
//
// There is no list to maintain: a worker that finds no extension says so on the board and goes, and
// is not sent there again until somebody reports a change (store::wake_launcher) or the launcher
// itself is new. All it knows can be had again, so any error simply ends it; the server starts the
// next one, which meets the workers that are still running on the board.
#include <algorithm>
#include <map>
#include <string>

#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/error_map.hpp"
#include "pg/settings.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"
#include "worker/database_list.hpp"
#include "worker/process.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "postmaster/bgworker.h"
#include "storage/ipc.h"

PGDLLEXPORT void keypool_launcher_main(Datum);
}

namespace keypool::worker {

namespace {

// Most databases of a server may lack the extension; looking must not take all of its workers.
constexpr int kStartingAtOnce = 3;
constexpr core::Micros kPauseWhenAsked = 200 * core::kMillisecond;
constexpr core::Micros kFirstPause = 2 * core::kSecond;
constexpr core::Micros kLongestPause = 5 * core::kMinute;
// A worker that ran for this long before it failed begins with the first pause again.
constexpr core::Micros kHealthyRun = 5 * core::kMinute;

core::Micros doubled(core::Micros pause, int times) {
  return std::min(pause << std::min(times, 16), kLongestPause);
}

class Launcher {
 public:
  [[noreturn]] void run();

 private:
  // A database as the launcher knows it.
  struct Site {
    std::string name;
    BackgroundWorkerHandle* handle = nullptr;  // of the worker started last, until it has ended
    bool lacks_extension = false;
    int failures = 0;  // in a row
    core::Micros not_before = 0;
  };

  void hear_reports();
  void refresh_list();
  void try_all_at_once();
  void see_who_ended(core::Micros now);
  void judge(Oid database, Site& site, core::Micros now) const;
  core::Micros start_workers(core::Micros now);
  int count_starting() const;
  bool start(Oid database, Site& site);
  void note_full(core::Micros now, const Site& site);

  std::map<Oid, Site> sites_;
  int times_full_ = 0;  // no slot for a background worker was free, in a row
  core::Micros full_until_ = 0;
};

void Launcher::run() {
  store::announce_launcher();
  while (!asked_to_stop()) {
    if (serve_interrupts()) try_all_at_once();
    hear_reports();
    const core::Micros now = store::now();
    see_who_ended(now);
    wait_until(pg::settings().worker ? start_workers(now) : core::kNever, PGINVALID_SOCKET);
  }
  // 0 would tell the server never to start a launcher again.
  proc_exit(1);
}

void Launcher::hear_reports() {
  const store::WorkerReports reports = store::take_reports();
  bool other_list = reports.other_list;
  for (const Oid database : reports.changed) {
    const auto site = sites_.find(database);
    if (site == sites_.end()) {
      other_list = true;
      continue;
    }
    site->second.lacks_extension = false;
    site->second.failures = 0;
    site->second.not_before = 0;
  }
  if (reports.some_lost) {
    for (auto& [database, site] : sites_) site.lacks_extension = false;
  }
  if (other_list) refresh_list();
}

void Launcher::refresh_list() {
  std::map<Oid, Site> listed;
  for (ListedDatabase& database : list_databases()) {
    const auto known = sites_.extract(database.oid);
    Site& site = listed[database.oid];
    if (known) site = known.mapped();
    site.name = std::move(database.name);
  }
  for (const auto& [database, site] : sites_) {
    if (site.handle != nullptr) pfree(site.handle);
    store::forget_worker(database);
  }
  sites_ = std::move(listed);
}

// The settings changed: what failed before may succeed now.
void Launcher::try_all_at_once() {
  times_full_ = 0;
  full_until_ = 0;
  for (auto& [database, site] : sites_) {
    site.failures = 0;
    site.not_before = 0;
  }
}

void Launcher::see_who_ended(core::Micros now) {
  for (auto& [database, site] : sites_) {
    if (site.handle == nullptr) continue;
    BackgroundWorkerHandle* handle = site.handle;
    const BgwHandleStatus status = pg::call([handle] {
      pid_t pid = 0;
      return GetBackgroundWorkerPid(handle, &pid);
    });
    if (status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED) continue;
    pfree(handle);
    site.handle = nullptr;
    judge(database, site, now);
  }
}

void Launcher::judge(Oid database, Site& site, core::Micros now) const {
  const store::WorkerReport report = store::worker_report(database);
  if (report.pid != 0) return;  // one of an earlier launcher is there, and ours left it alone
  store::cancel_start(database);
  switch (report.exit) {
    case store::WorkerExit::kNoExtension:
      site.lacks_extension = true;
      store::forget_worker(database);
      break;
    case store::WorkerExit::kAsked:
      site.not_before = now + kPauseWhenAsked;
      break;
    case store::WorkerExit::kCrashed:
      if (report.started_at != 0 && now - report.started_at > kHealthyRun) site.failures = 0;
      site.not_before = now + doubled(kFirstPause, site.failures++);
      break;
  }
}

// Answers when to look again; what else may change meanwhile sets the latch.
core::Micros Launcher::start_workers(core::Micros now) {
  core::Micros due = core::kNever;
  int starting = count_starting();
  for (auto& [database, site] : sites_) {
    if (site.handle != nullptr || site.lacks_extension) continue;
    const core::Micros not_before = std::max(site.not_before, full_until_);
    if (not_before > now) {
      due = std::min(due, not_before);
      continue;
    }
    if (starting >= kStartingAtOnce || !store::begin_start(database)) continue;
    if (start(database, site)) {
      ++starting;
      times_full_ = 0;
    } else {
      store::cancel_start(database);
      note_full(now, site);
      due = std::min(due, full_until_);
    }
  }
  return due;
}

int Launcher::count_starting() const {
  return static_cast<int>(std::count_if(sites_.begin(), sites_.end(), [](const auto& entry) {
    const auto& [database, site] = entry;
    return site.handle != nullptr &&
           store::worker_report(database).state == store::WorkerState::kStarting;
  }));
}

// False: the server has no slot left for a background worker.
bool Launcher::start(Oid database, Site& site) {
  BackgroundWorker worker = {};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;  // that is the launcher's business
  worker.bgw_main_arg = ObjectIdGetDatum(database);
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_name, ("pg_keypool worker for " + site.name).c_str(), sizeof worker.bgw_name);
  strlcpy(worker.bgw_type, "pg_keypool worker", sizeof worker.bgw_type);
  strlcpy(worker.bgw_library_name, "pg_keypool_worker", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "keypool_worker_main", sizeof worker.bgw_function_name);
  BackgroundWorkerHandle*& handle = site.handle;
  return pg::call([&worker, &handle] {
    MemoryContext outer = MemoryContextSwitchTo(TopMemoryContext);
    const bool registered = RegisterDynamicBackgroundWorker(&worker, &handle);
    MemoryContextSwitchTo(outer);
    return registered;
  });
}

// Said once, not at every try.
void Launcher::note_full(core::Micros now, const Site& site) {
  if (times_full_ == 0) {
    pg::report(LOG, core::Error(
                        core::ErrorCode::kConfigurationLimit,
                        "no background worker is free to look after database \"" + site.name + "\"",
                        "Without one, keys can be picked, but they are not checked, and their use "
                        "is not written down.",
                        "Raise max_worker_processes: pg_keypool needs one for its launcher and "
                        "one for each database that has the extension."));
  }
  full_until_ = now + doubled(kFirstPause, times_full_++);
}

}  // namespace

}  // namespace keypool::worker

void keypool_launcher_main(Datum) {
  using namespace keypool;
  pg::barrier([] {
    worker::begin_process();
    pg::call([] {
      BackgroundWorkerUnblockSignals();
      BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    });
    worker::Launcher().run();
  });
}
