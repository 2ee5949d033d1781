#include "worker/interruptible.hpp"

#include <cerrno>

#include "pg/postgres.hpp"

extern "C" {
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
}

namespace keypool::worker {

namespace {

void stop_and_cancel(SIGNAL_ARGS) {
  const int error = errno;
  ShutdownRequestPending = true;
  QueryCancelPending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
  (void)postgres_signal_arg;
  errno = error;
}

}  // namespace

Interruptible::Interruptible() noexcept { pqsignal(SIGTERM, stop_and_cancel); }

Interruptible::~Interruptible() {
  pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  QueryCancelPending = false;
}

}  // namespace keypool::worker
