// The worker of one database: connects, looks for the extension, and then does what is due until it
// is asked to stop or the extension goes.
//
// Its end never waits for the network: proc_exit() leaves the stack as it is, so that no destructor
// waits for an answer, and the kernel closes what was open.
#include <algorithm>
#include <exception>

#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/transaction.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"
#include "worker/alerts.hpp"
#include "worker/audit_keeper.hpp"
#include "worker/destruction.hpp"
#include "worker/expiry.hpp"
#include "worker/imports.hpp"
#include "worker/lease_sweeper.hpp"
#include "worker/lookups.hpp"
#include "worker/partitions.hpp"
#include "worker/poller.hpp"
#include "worker/prober.hpp"
#include "worker/process.hpp"
#include "worker/reencryption.hpp"
#include "worker/rollup.hpp"
#include "worker/root_keys.hpp"
#include "worker/spending_check.hpp"
#include "worker/schedule.hpp"
#include "worker/webhooks.hpp"
#include "worker/writer.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/extension.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

PGDLLEXPORT void keypool_worker_main(Datum database);
}

namespace keypool::worker {

namespace {

[[noreturn]] void leave(store::WorkerExit exit) {
  store::set_worker_exit(exit);
  proc_exit(0);
}

// While the connection is made, which may wait for somebody's lock on the database, SIGTERM must
// end the process by itself; later it lets the work at hand be finished.
void connect(Oid database) {
  pg::call([database] {
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  });
}

// Against what the database or the server sets for everybody.
void fix_session_settings() {
  static constexpr struct {
    const char* name;
    const char* value;
  } kFixed[] = {
      {"search_path", "pg_catalog, pg_temp"},
      {"default_transaction_read_only", "off"},
      {"default_transaction_isolation", "read committed"},
      // DDL on our tables goes first, and never ends in a deadlock with the worker.
      {"lock_timeout", "500ms"},
      // A cooldown written down shall survive a crash, but nothing here waits for a standby.
      {"synchronous_commit", "local"},
      {"jit", "off"},
  };
  pg::call([] {
    for (const auto& fixed : kFixed) {
      SetConfigOption(fixed.name, fixed.value, PGC_SUSET, PGC_S_OVERRIDE);
    }
  });
}

// InvalidOid when this database lacks the extension.
Oid installed_extension() {
  Oid extension = InvalidOid;
  const auto problem = pg::run_transaction(
      [&] { extension = pg::call([] { return get_extension_oid("pg_keypool", true); }); });
  if (problem.has_value()) throw core::Error(core::ErrorCode::kInternal, problem->message);
  return extension;
}

// The extension is not what it was. Looks once more after the board says that nobody runs here:
// whoever made it anew before that was not reported to the launcher.
[[noreturn]] void leave_without_extension() {
  store::set_worker_state(store::WorkerState::kStopping);
  leave(installed_extension() == InvalidOid ? store::WorkerExit::kNoExtension
                                            : store::WorkerExit::kAsked);
}

[[noreturn]] void finish(Writer& writer, AuditKeeper& audit) {
  store::set_worker_state(store::WorkerState::kStopping);
  writer.finish();
  audit.finish();
  leave(store::WorkerExit::kAsked);
}

[[noreturn]] void serve(Oid extension) {
  LeaseSweeper leases(store::now());
  Writer writer(store::current_database(), leases);
  Prober prober;
  Webhooks webhooks;
  AlertKeeper alerts(store::current_database(), store::now());
  Lookups lookups(store::current_database());
  Rollup rollup(store::now());
  PartitionKeeper partitions(store::now());
  Imports imports;
  AuditKeeper audit;
  Reencryption reencryption(store::current_database());
  RootKeys root_keys(store::current_database());
  Expiry expiry(store::current_database());
  Destruction destruction(store::current_database());

  SpendingCheck spending(store::current_database(), store::now());

  Schedule schedule;
  schedule.add([&](core::Micros now) { return spending.next_due(now); },
               [&](core::Micros now) { spending.run(now); });
  schedule.add([&](core::Micros now) { return writer.next_due(now); },
               [&](core::Micros now) {
                 writer.run(now);
                 alerts.note_news();
                 rollup.note_news(now);
                 partitions.note_news(now);
                 audit.note_news(now);
               });
  schedule.add([&](core::Micros now) { return audit.next_due(now); },
               [&](core::Micros now) { audit.run(now); });
  schedule.add([&](core::Micros now) { return leases.next_due(now); },
               [&](core::Micros now) { leases.run(now); });
  schedule.add([&](core::Micros now) { return alerts.next_due(now); },
               [&](core::Micros now) {
                 if (alerts.run(now)) webhooks.note_news();
               });
  schedule.add([&](core::Micros now) { return lookups.next_due(now); },
               [&](core::Micros now) { lookups.run(now); });
  schedule.add([&](core::Micros now) { return rollup.next_due(now); },
               [&](core::Micros now) { rollup.run(now); });
  schedule.add([&](core::Micros now) { return partitions.next_due(now); },
               [&](core::Micros now) { partitions.run(now); });
  schedule.add([&](core::Micros now) { return imports.next_due(now); },
               [&](core::Micros now) { imports.run(now); });
  schedule.add([&](core::Micros now) { return root_keys.next_due(now); },
               [&](core::Micros now) {
                 if (root_keys.run(now)) destruction.note_news();
               });
  schedule.add([&](core::Micros now) { return reencryption.next_due(now); },
               [&](core::Micros now) {
                 if (reencryption.run(now)) destruction.note_news();
               });
  schedule.add([&](core::Micros now) { return expiry.next_due(now); },
               [&](core::Micros now) { expiry.run(now); });
  schedule.add([&](core::Micros now) { return destruction.next_due(now); },
               [&](core::Micros now) { destruction.run(now); });

  // The server waits for one descriptor beside the latch.
  Poller sockets;
  sockets.watch(prober.descriptor(), true, false);
  sockets.watch(webhooks.descriptor(), true, false);

  bool called = true;
  for (;;) {
    const bool reloaded = serve_interrupts();
    if (reloaded) root_keys.note_reload();
    if (asked_to_stop() || (reloaded && !pg::settings().worker)) finish(writer, audit);
    if (called && installed_extension() != extension) leave_without_extension();
    const core::Micros now = store::now();
    store::note_cycle(now);
    // Each time: its sockets or a request for it may be why we woke.
    prober.advance(now);
    webhooks.advance(now);
    schedule.run_due(now);
    const core::Micros later = store::now();
    const core::Micros due =
        std::min({prober.next_due(later), webhooks.next_due(later), schedule.next_due(later)});
    called = wait_until(due, sockets.descriptor());
  }
}

void work(Oid database) {
  begin_process();
  if (!store::claim_worker(database)) proc_exit(0);
  if (!pg::settings().worker) leave(store::WorkerExit::kAsked);
  try {
    connect(database);
    fix_session_settings();
    const Oid extension = installed_extension();
    if (extension == InvalidOid) leave(store::WorkerExit::kNoExtension);
    store::set_worker_state(store::WorkerState::kRunning);
    serve(extension);
  } catch (const std::exception& error) {
    store::note_worker_error(error.what());
    throw;
  }
}

}  // namespace

}  // namespace keypool::worker

void keypool_worker_main(Datum database) {
  using namespace keypool;
  pg::barrier([database] { worker::work(DatumGetObjectId(database)); });
}
