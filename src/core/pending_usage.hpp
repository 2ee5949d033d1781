// What a transaction has logged and not yet committed: totals by key, leases to settle, and how the
// requests were tracked. A rolled-back savepoint takes its part along.
//
// Every part belongs to a nesting level of subtransactions (1: the transaction itself). Plain C++,
// one thread. add() and settle() may throw std::bad_alloc and have done nothing then; everything
// else is noexcept, so that commit and abort cannot fail.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/failure.hpp"
#include "core/time.hpp"
#include "core/tracking.hpp"

namespace keypool::core {

// What became of the request that was logged last.
struct LoggedOutcome {
  bool failed;
  FailureClass failure;
  Micros retry_at;  // 0: the provider named none
  bool for_model;
  std::uint64_t model;  // text_hash, 0: not known
  std::uint16_t http_status;
  std::array<char, 64> code;  // NUL-terminated
  float latency_ms;           // < 0: not known
};

// One request, or the difference that a later correction makes.
struct UsageDelta {
  std::int64_t requests = 0;
  std::int64_t errors = 0;
  std::int64_t tokens = 0;
  std::int64_t cost_nano = 0;
  std::int64_t cost_today_nano = 0;  // of `cost_nano`, what belongs to the UTC day `day`
  std::int32_t day = 0;
  // Of requests made just now, which windows and health are about:
  std::uint32_t fresh_successes = 0;
  std::uint32_t fresh_failures = 0;
  std::int64_t fresh_tokens = 0;  // of those without a lease
};

struct PendingKey {
  int level;
  std::int64_t key_id;  // 0: requests without a key
  UsageDelta total;
  std::uint32_t tracked[static_cast<int>(Tracked::kCount)];
  bool has_outcome;
  LoggedOutcome last;
};

struct PendingLease {
  int level;
  std::int64_t lease_id;
  std::int64_t key_id;  // 0: not known
  std::int64_t tokens;  // used
};

class PendingUsage {
 public:
  PendingKey& add(int level, std::int64_t key_id, const UsageDelta& delta);
  void settle(const PendingLease& lease) { leases_.push_back(lease); }

  // The subtransaction of that level has been released into the one above, or rolled back.
  void release(int level) noexcept;
  void roll_back(int level) noexcept;

  bool empty() const noexcept { return keys_.empty() && leases_.empty(); }
  // By key in the order of first use; a key shows once for each level that has used it.
  const std::vector<PendingKey>& keys() const noexcept { return keys_; }
  const std::vector<PendingLease>& leases() const noexcept { return leases_; }

 private:
  // Whether there is an entry of that key at that very level; it is then the newest of the key.
  PendingKey* newest(int level, std::int64_t key_id) noexcept;
  void forget_newest(std::int64_t key_id) noexcept;

  std::vector<PendingKey> keys_;  // levels never fall from front to back
  std::unordered_map<std::int64_t, std::vector<std::uint32_t>> places_;  // of each key in keys_
  std::vector<PendingLease> leases_;
};

}  // namespace keypool::core
