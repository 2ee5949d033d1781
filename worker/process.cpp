#include "worker/process.hpp"

#include <algorithm>
#include <csignal>
#include <exception>

#include "pg/guard.hpp"
#include "pg/settings.hpp"
#include "store/audit.hpp"
#include "store/audit_board.hpp"
#include "store/catalog.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;
}

namespace keypool::worker {

namespace {

[[noreturn]] void end_with_fatal() {
  ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
                  errmsg("unexpected exception in a background worker of pg_keypool")));
  pg_unreachable();
}

}  // namespace

// SIGINT keeps the server's handler: lock_timeout works through it. So does SIGUSR1.
void begin_process() {
  std::set_terminate(end_with_fatal);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  pg::attach_settings();
  store::attach_shared_pool();
  store::attach_shared_budgets();
  store::attach_worker_board();
  store::attach_audit_board();
  store::install_audit();
  store::install_catalog();
}

bool serve_interrupts() {
  // No statement is running that a cancel request could mean.
  QueryCancelPending = false;
  pg::check_interrupts();
  if (!ConfigReloadPending) return false;
  ConfigReloadPending = false;
  pg::call([] { ProcessConfigFile(PGC_SIGHUP); });
  return true;
}

bool asked_to_stop() noexcept { return ShutdownRequestPending; }

bool wait_until(core::Micros due, pgsocket descriptor) {
  constexpr core::Micros kLongest = core::kDay;
  int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
  if (descriptor != PGINVALID_SOCKET) events |= WL_SOCKET_READABLE;
  long milliseconds = -1;
  if (due != core::kNever) {
    events |= WL_TIMEOUT;
    const core::Micros left = std::clamp(due - store::now(), core::Micros{0}, kLongest);
    // Rounded up: waking before the time would only mean waiting again.
    milliseconds = static_cast<long>((left + core::kMillisecond - 1) / core::kMillisecond);
  }
  const int happened = pg::call([=] {
    return WaitLatchOrSocket(MyLatch, events, descriptor, milliseconds, PG_WAIT_EXTENSION);
  });
  if ((happened & WL_LATCH_SET) == 0) return false;
  ResetLatch(MyLatch);
  return true;
}

}  // namespace keypool::worker
