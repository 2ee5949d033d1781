// The budgets' running sums in Postgres's shared memory, the lock that guards them, and what a
// session that settles writes there of itself.
//
// The lock is held shared to look up, reserve and settle, exclusively to mirror and to begin a load
// (core/budget_table.hpp); no Postgres call that can fail may run while it is held. Whoever needs
// the pool's lock too takes that first.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/budget_table.hpp"
#include "core/recent_costs.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/lwlock.h"
#include "utils/snapshot.h"
}

namespace keypool::store {

// One session between the moment before its commit and the end of its settlement.
struct Settlement {
  std::atomic<TransactionId> xid;        // InvalidTransactionId: it settles nothing now
  std::atomic<std::uint64_t> seen_from;  // the first load whose snapshot sees it; 0: none
};

// _PG_init only.
void install_shared_budgets();
// The worker's library.
void attach_shared_budgets();

core::BudgetTable& budget_table();
LWLock* budget_lock();
core::RecentCosts& recent_costs();
// Of all sessions there may be.
std::span<Settlement> settlements();
// This session's.
Settlement& own_settlement();
// How many settlements have begun and how many have ended since the server started. Between two
// looks that find both equal and unchanged nobody settled.
struct SettlementCount {
  std::atomic<std::uint64_t> begun;
  std::atomic<std::uint64_t> ended;
};
SettlementCount& settlement_count();
// Under the lock held exclusively: the number of the next load, never 0.
std::uint64_t next_load() noexcept;

// Whether that transaction, which is no subtransaction, had ended when the snapshot was taken.
bool has_seen(const SnapshotData& snapshot, TransactionId xid) noexcept;

}  // namespace keypool::store
