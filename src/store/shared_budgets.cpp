#include "store/shared_budgets.hpp"

#include <new>

#include "pg/settings.hpp"
#include "store/shared_block.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/transam.h"
#include "miscadmin.h"
#include "storage/proc.h"
}

namespace keypool::store {

namespace {

// What lies before the table of budgets, which ends the block; the settlements lie between.
struct Head {
  core::RecentCosts costs;
  SettlementCount settlements;
  std::uint64_t last_load;
};

// Background workers and the launcher included.
std::size_t sessions() { return static_cast<std::size_t>(MaxBackends); }

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

std::size_t table_offset() {
  return aligned(sizeof(Head)) + aligned(sizeof(Settlement) * sessions());
}

std::uint32_t accounts() { return static_cast<std::uint32_t>(pg::settings().max_budget_accounts); }

constinit SharedBlock block = {
    .name = "pg_keypool budgets",
    .bytes = [] { return table_offset() + core::BudgetTable::bytes_for(accounts()); },
    .create =
        [](void* zeroed) {
          core::BudgetTable::create(static_cast<char*>(zeroed) + table_offset(), accounts());
        }};

char* at(std::size_t offset) { return static_cast<char*>(block.memory) + offset; }

Head& head() { return *reinterpret_cast<Head*>(at(0)); }

}  // namespace

void install_shared_budgets() { install_block(block); }
void attach_shared_budgets() { attach_block(block); }

core::BudgetTable& budget_table() {
  return *reinterpret_cast<core::BudgetTable*>(at(table_offset()));
}

LWLock* budget_lock() { return block.lock; }

core::RecentCosts& recent_costs() { return head().costs; }

std::span<Settlement> settlements() {
  return {reinterpret_cast<Settlement*>(at(aligned(sizeof(Head)))), sessions()};
}

// By the place of the process's entry, which comes before those of auxiliary processes.
Settlement& own_settlement() {
  return settlements()[static_cast<std::size_t>(MyProc - ProcGlobal->allProcs)];
}

SettlementCount& settlement_count() { return head().settlements; }

std::uint64_t next_load() noexcept { return ++head().last_load; }

bool has_seen(const SnapshotData& snapshot, TransactionId xid) noexcept {
  if (TransactionIdFollowsOrEquals(xid, snapshot.xmax)) return false;
  for (std::uint32_t i = 0; i < snapshot.xcnt; ++i) {
    if (TransactionIdEquals(snapshot.xip[i], xid)) return false;
  }
  return true;
}

}  // namespace keypool::store
