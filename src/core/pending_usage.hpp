// What a transaction has logged and not yet committed: totals by key, what budgets are charged,
// leases to settle, and how the requests were tracked. A rolled-back savepoint takes its part along
// (leveled.hpp says which part is whose).
//
// Plain C++, one thread. add(), charge() and settle() may throw std::bad_alloc and have done
// nothing then; everything else is noexcept, so that commit and abort cannot fail.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/budget.hpp"
#include "core/failure.hpp"
#include "core/lease.hpp"
#include "core/leveled.hpp"
#include "core/time.hpp"
#include "core/told_limits.hpp"
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
  UsageDelta total;
  std::uint32_t tracked[static_cast<int>(Tracked::kCount)];
  bool has_outcome;
  LoggedOutcome last;
  ToldLimits told;  // by headers of answers
};

struct PendingLease {
  int level;
  std::int64_t lease_id;
  std::int64_t key_id;  // 0: not known
  std::int64_t tokens;  // used
};

// Spending that budgets of a scope count for that subject, in a quarter of an hour.
struct Charge {
  BudgetScope scope;
  std::string subject;
  Micros bucket;
  bool operator==(const Charge&) const = default;
};
struct ChargeHash {
  std::size_t operator()(const Charge& charge) const noexcept;
};

class PendingUsage {
 public:
  using Keys = Leveled<std::int64_t, PendingKey>;
  using Charges = Leveled<Charge, std::int64_t, ChargeHash>;

  // Key 0: requests without one.
  PendingKey& add(int level, std::int64_t key_id, const UsageDelta& delta);
  void charge(int level, const Charge& what, std::int64_t nano);
  void settle(const PendingLease& lease) { leases_.push_back(lease); }

  // The subtransaction of that level has been released into the one above, or rolled back.
  void release(int level) noexcept;
  void roll_back(int level) noexcept;

  bool empty() const noexcept { return keys_.empty() && charges_.empty() && leases_.empty(); }
  const std::vector<Keys::Entry>& keys() const noexcept { return keys_.entries(); }
  const std::vector<Charges::Entry>& charges() const noexcept { return charges_.entries(); }
  const std::vector<PendingLease>& leases() const noexcept { return leases_; }
  // The leases as they were taken, while they are settled.
  std::vector<Lease>& settled() noexcept { return settled_; }

 private:
  Keys keys_;
  Charges charges_;
  std::vector<PendingLease> leases_;
  std::vector<Lease> settled_;
};

}  // namespace keypool::core
