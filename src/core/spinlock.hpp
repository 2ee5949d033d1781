// A spinlock for shared memory, held for some tens of nanoseconds and never across anything that
// can wait, throw or call Postgres. Address-free; zeroed memory is an unlocked lock.
//
// A process that dies inside leaves it locked: in Postgres that is a crash restart, which makes
// the shared memory anew.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace keypool::core {

class SpinLock {
 public:
  void lock() noexcept {
    for (int spins = 0; word_.exchange(1, std::memory_order_acquire) != 0;) {
      while (word_.load(std::memory_order_relaxed) != 0) {
        // The holder may have lost its processor: after a while let it run.
        if (++spins % kSpinsBeforeYield == 0) {
          sched_yield();
        } else {
          pause();
        }
      }
    }
  }
  void unlock() noexcept { word_.store(0, std::memory_order_release); }

 private:
  static constexpr int kSpinsBeforeYield = 100;
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }
  std::atomic<std::uint32_t> word_;
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
};

}  // namespace keypool::core
