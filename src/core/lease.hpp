// Leases: capacity reserved by acquire_key until it is settled, given back, or its time is over.
//
// A fixed table; lease n lives in entry n mod size, so that finding one is one look. An entry is
// owned by whoever moved its state to `busy`; there is no other lock. What a lease reserved is
// given back by the caller under the lock of the key's group.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "core/time.hpp"

namespace keypool::core {

// An account of a budget (budget_table.hpp).
struct AccountRef {
  std::uint32_t place;
  std::uint32_t generation;
  bool operator==(const AccountRef&) const = default;
};
inline constexpr std::size_t kMaxAccountsOfLease = 12;

struct Lease {
  std::int64_t id;
  std::int64_t key_id;
  std::uint32_t database;
  std::uint32_t tokens;
  std::int64_t cost_nano;
  Micros acquired_at;
  Micros expires_at;
  std::uint8_t account_count;
  std::array<AccountRef, kMaxAccountsOfLease> accounts;  // on which cost_nano is reserved

  std::span<const AccountRef> accounts_view() const noexcept {
    return {accounts.data(), account_count};
  }
};

class LeaseTable {
 public:
  static std::size_t bytes_for(std::uint32_t size);
  static LeaseTable* create(void* zeroed, std::uint32_t size, Micros now);

  // Writes the lease down and returns its number, or 0 when the table is full.
  std::int64_t put(Lease lease) noexcept;
  // Takes the lease out, so that exactly one caller gets it; nothing when it is not there.
  std::optional<Lease> take(std::int64_t id, std::uint32_t database) noexcept;
  // What the lease is, or was: one that is over is known until its entry is used again.
  std::optional<Lease> peek(std::int64_t id, std::uint32_t database) noexcept;
  // Takes one lease out that was over before `now`, looking from entry `from` on; moves `from`.
  std::optional<Lease> take_expired(std::uint32_t& from, Micros now) noexcept;

  std::uint32_t size() const noexcept { return size_; }
  // How many are out now.
  std::uint32_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  enum State : std::uint32_t { kFree, kBusy, kHeld };
  struct Entry {
    std::atomic<std::uint32_t> state;
    Lease lease;
  };
  Entry& entry(std::int64_t id) noexcept;
  static State seize(Entry& slot) noexcept;
  Lease release(Entry& slot) noexcept;

  std::atomic<std::int64_t> next_;
  std::atomic<std::uint32_t> held_;  // entries that are not free, or are about to be taken
  std::uint32_t size_;
};

}  // namespace keypool::core
