// What whoever has asked the worker for something does until it answers: wait to be woken, and let
// the shared segment go that the two speak through.
#pragma once

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/dsm.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
}

namespace keypool::store {

// Nothing is thrown and no interrupt is served while a segment is let go: destructors do it.
inline void let_go(dsm_segment* segment) noexcept {
  HOLD_INTERRUPTS();
  dsm_detach(segment);
  RESUME_INTERRUPTS();
}

// Throws PgError when the query was cancelled.
inline void wait_for_latch(long milliseconds) {
  pg::call([=] {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds,
              PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  });
}

}  // namespace keypool::store
