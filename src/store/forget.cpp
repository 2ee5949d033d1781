#include "store/forget.hpp"

#include "core/publish.hpp"
#include "pg/lwlock.hpp"
#include "store/audit_board.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Under the pool's exclusive lock. What was loaded from the old tables but is not published yet
// must not pass for current, nor may the next database that gets the entry: every epoch moves on.
void empty(core::Database& entry) noexcept {
  core::Publisher(pool(), now()).drop(entry.oid.load());
  entry.epochs.mirrored.fetch_add(1);
  for (auto& shard : entry.epochs.users) shard.fetch_add(1);
  entry.epochs.budgets.fetch_add(1);
  entry.dirty.store(false);
  const pg::ExclusiveGuard guard(budget_lock());
  budget_table().forget(entry);
}

}  // namespace

void forget_keys(Oid database) noexcept {
  forget_audit(database);
  const pg::ExclusiveGuard guard(pool_lock());
  if (core::Database* entry = pool().database(database)) empty(*entry);
}

void forget_database(Oid database) noexcept {
  forget_audit(database);
  const pg::ExclusiveGuard guard(pool_lock());
  core::Database* entry = pool().database(database);
  if (entry == nullptr) return;
  empty(*entry);
  pool().forget_database(*entry);
}

}  // namespace keypool::store
