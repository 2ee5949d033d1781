// What is known of ciphertext that has died in a database and may still lie in its data files.
//
// In shared memory, one for each database; zeroed at the server's start, when nobody knows. Whoever
// lets ciphertext die reports it at the end of his transaction (store/destruction.hpp); the worker
// removes what is left and says how far it is. Lock-free; any process.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/time.hpp"

namespace keypool::core {

// What keeps an old version of a row alive.
enum class Holdup : std::uint8_t {
  kNone,
  kSession,
  kPreparedTransaction,
  kReplicationSlot,
  kOther
};

struct Destruction {
  // Moves with every report, after `needed_below`.
  std::atomic<std::uint64_t> deaths;
  // Once every transaction below this number (with its epoch) has ended, and nobody's snapshot
  // needs what was before it, all that has died so far can be removed.
  std::atomic<std::uint64_t> needed_below;
  std::atomic<Micros> pending_since;  // 0: nothing is known to be left
  std::atomic<Micros> cleaned_at;     // 0: not since the server's start
  std::atomic<std::uint64_t> pages_wiped;
  std::atomic<Holdup> holdup;
  std::atomic<std::int32_t> holder;  // process id of a kSession

  void report(std::uint64_t next_transaction, Micros now) noexcept {
    std::uint64_t known = needed_below.load();
    while (known < next_transaction && !needed_below.compare_exchange_weak(known, next_transaction))
      continue;
    Micros nothing = 0;
    pending_since.compare_exchange_strong(nothing, now);
    deaths.fetch_add(1);
  }

  // For another database in this place: what was pending concerns files that are no more.
  void forget() noexcept {
    needed_below.store(0);
    pending_since.store(0);
    cleaned_at.store(0);
    pages_wiped.store(0);
    holdup.store(Holdup::kNone);
  }
};
static_assert(std::atomic<Holdup>::is_always_lock_free);

}  // namespace keypool::core
