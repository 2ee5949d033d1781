#include "store/budget_settlement.hpp"

#include "pg/lwlock.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
}

namespace keypool::store {

namespace {

// What the leases have reserved on that account.
std::int64_t reserved_on(core::AccountRef account, std::span<const core::Lease> leases) noexcept {
  std::int64_t sum = 0;
  for (const core::Lease& lease : leases) {
    for (const core::AccountRef& reserved : lease.accounts_view()) {
      if (reserved == account) sum += lease.cost_nano;
    }
  }
  return sum;
}

// An account is settled once for each of its charges; what is reserved goes with the first.
class Reservations {
 public:
  explicit Reservations(std::span<const core::Lease> leases) noexcept : leases_(leases) {}

  std::int64_t take(core::AccountRef account) noexcept {
    for (std::size_t i = 0; i < taken_count_; ++i) {
      if (taken_[i] == account) return 0;
    }
    if (taken_count_ == taken_.size()) return 0;  // given back with the rest, a moment later
    const std::int64_t reserved = reserved_on(account, leases_);
    if (reserved != 0) taken_[taken_count_++] = account;
    return reserved;
  }

  void give_back_rest() noexcept {
    for (const core::Lease& lease : leases_) {
      for (const core::AccountRef& account : lease.accounts_view()) {
        bool taken = false;
        for (std::size_t i = 0; i < taken_count_; ++i) taken |= taken_[i] == account;
        if (!taken) budget_table().give_back({&account, 1}, lease.cost_nano);
      }
    }
  }

 private:
  std::span<const core::Lease> leases_;
  std::array<core::AccountRef, 64> taken_;
  std::size_t taken_count_ = 0;
};

}  // namespace

void announce_settlement() noexcept {
  Settlement& own = own_settlement();
  own.seen_from.store(0);
  own.xid.store(GetTopTransactionIdIfAny());
}

void withdraw_settlement() noexcept { own_settlement().xid.store(InvalidTransactionId); }

void settle_budgets(core::Database& database, const core::PendingUsage& pending,
                    std::span<const core::Lease> leases, std::uint64_t known_budgets) noexcept {
  const core::Micros at = now();
  const pg::SharedGuard guard(budget_lock());
  const std::uint64_t seen_from = own_settlement().seen_from.load();
  Reservations reservations(leases);
  for (const auto& [level, charge, nano] : pending.charges()) {
    budget_table().settle(database, charge.scope, charge.subject, charge.bucket, nano, at,
                          seen_from,
                          [&](core::AccountRef account) { return reservations.take(account); });
  }
  reservations.give_back_rest();
  if (database.budgets.loaded.load() != known_budgets) database.epochs.budgets.fetch_add(1);
  withdraw_settlement();
}

void give_back_budgets(const core::Lease& lease) noexcept {
  if (lease.account_count == 0) return;
  const pg::SharedGuard guard(budget_lock());
  budget_table().give_back(lease.accounts_view(), lease.cost_nano);
}

}  // namespace keypool::store
