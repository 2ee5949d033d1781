// How well requests are tracked, counted since the server's start: what the Prometheus counters of
// a database show. Shared memory; lock-free; nobody but the counting code writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace keypool::core {

// What a request's row says of who made it.
enum class Tracked : std::uint8_t {
  kWithKey,
  kAnonymous,     // on purpose
  kLookupFailed,  // came with a key that is not stored here, as far as is known
  kNoKey,         // names a user, and no key
  kUnidentified,  // names neither, and is not said to be anonymous
  kCount
};

struct RequestIdentity {
  bool has_key;
  bool has_user;
  bool has_fingerprint;
  bool is_anonymous;
};

constexpr Tracked tracked(const RequestIdentity& who) noexcept {
  if (who.has_key) return Tracked::kWithKey;
  if (who.is_anonymous) return Tracked::kAnonymous;
  if (who.has_fingerprint) return Tracked::kLookupFailed;
  return who.has_user ? Tracked::kNoKey : Tracked::kUnidentified;
}

enum class Lookup : std::uint8_t { kFound, kNotFound, kError, kCount };

struct TrackingCounters {
  std::atomic<std::uint64_t> requests[static_cast<int>(Tracked::kCount)];
  std::atomic<std::uint64_t> lookups[static_cast<int>(Lookup::kCount)];
  // Requests whose key the worker is to look for, since the server's start; they count among
  // `requests` once it is found or given up.
  std::atomic<std::uint64_t> awaiting;

  // Moves whenever something was counted: a sum that says no more than that.
  std::uint64_t counted() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& count : requests) sum += count.load();
    // A key that is found late changes its request's row.
    for (const auto& count : lookups) sum += count.load();
    return sum;
  }
  void forget() noexcept {
    for (auto& count : requests) count.store(0, std::memory_order_relaxed);
    for (auto& count : lookups) count.store(0, std::memory_order_relaxed);
  }
  void count(Lookup outcome) noexcept {
    lookups[static_cast<int>(outcome)].fetch_add(1, std::memory_order_relaxed);
  }
  void count(Tracked kind, std::uint64_t times) noexcept {
    requests[static_cast<int>(kind)].fetch_add(times, std::memory_order_relaxed);
  }
};

}  // namespace keypool::core
