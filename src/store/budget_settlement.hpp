// The budgets' part in the settlement of a transaction that logged requests: when its commit is
// visible, what it spent is added to their sums and what its leases had reserved is given back, in
// one step for each sum.
//
// A session tells before its commit that it is about to settle, so that whoever loads a sum
// meanwhile notes whether its snapshot has seen the commit (budget_accounts.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/lease.hpp"
#include "core/pending_usage.hpp"
#include "core/pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Before the commit: a load from here on knows of this transaction.
void announce_settlement() noexcept;
// After a rollback.
void withdraw_settlement() noexcept;

// After the commit. `leases`: those that it settles. `known_budgets`: the mirror's epoch when the
// transaction began to add up charges; where others are known by now, all sums are read anew.
void settle_budgets(core::Database& database, const core::PendingUsage& pending,
                    std::span<const core::Lease> leases, std::uint64_t known_budgets) noexcept;

// A lease is over, and nothing was logged for it.
void give_back_budgets(const core::Lease& lease) noexcept;

}  // namespace keypool::store
