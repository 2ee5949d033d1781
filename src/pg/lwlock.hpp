// LWLocks as scoped guards: SharedGuard and ExclusiveGuard.
//
// While one is held no Postgres call may run except other LWLock calls: an error raised under it
// would be delayed by nothing and yet leave shared memory half changed. Throwing C++ exceptions is
// fine, the destructor releases. Should an error be raised all the same and caught by pg::call,
// the lock is still held (Postgres releases locks only at abort) and the destructor releases it.
// Interrupts are held off from acquisition to release.
#pragma once

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

template <LWLockMode kMode>
class [[nodiscard]] LockGuard {
 public:
  // Throws PgError only when 200 locks are held already.
  explicit LockGuard(LWLock* lock) : lock_(lock) {
    call([lock] { LWLockAcquire(lock, kMode); });
  }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;
  ~LockGuard() {
    if (!LWLockHeldByMe(lock_)) return;  // an abort meanwhile released all locks
    // An error resets the hold-off count that the release counts down.
    if (InterruptHoldoffCount == 0) InterruptHoldoffCount = 1;
    LWLockRelease(lock_);
  }

 private:
  LWLock* lock_;
};

using SharedGuard = LockGuard<LW_SHARED>;
using ExclusiveGuard = LockGuard<LW_EXCLUSIVE>;

}  // namespace keypool::pg
