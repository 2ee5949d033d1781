#include "store/coherence.hpp"

#include <bit>

#include "core/pool.hpp"
#include "pg/guard.hpp"
#include "store/catalog.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/inval.h"
}

namespace keypool::store {

namespace {

// What the running transaction changed. A rolled-back savepoint leaves its marks: one load too
// many.
struct Changes {
  core::Database* database;  // null: nothing
  SubTransactionId told_in;  // where the message for standbys was queued last
  bool mirrored;
  bool budgets;
  std::uint64_t shards[core::kUserShards / 64];
};
Changes changes = {};

void queue_invalidation() {
  const Oid relation = catalog().api_keys;
  pg::call([relation] { CacheInvalidateRelcacheByRelid(relation); });
}

Changes& begin_changes() {
  // A savepoint that is rolled back takes the message queued within it along.
  const SubTransactionId here = GetCurrentSubTransactionId();
  if (changes.database == nullptr || changes.told_in != here) {
    queue_invalidation();
    changes.told_in = here;
    changes.database = &current_database();
  }
  return changes;
}

void publish_changes() noexcept {
  core::Epochs& epochs = changes.database->epochs;
  if (changes.mirrored) epochs.mirrored.fetch_add(1);
  if (changes.budgets) epochs.budgets.fetch_add(1);
  for (std::size_t word = 0; word < std::size(changes.shards); ++word) {
    for (std::uint64_t bits = changes.shards[word]; bits != 0; bits &= bits - 1) {
      epochs.users[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))].fetch_add(1);
    }
  }
  wake_launcher(MyDatabaseId);
  // What the worker thinks of the old keys may no longer hold.
  note_dirty(*changes.database);
}

void at_transaction_event(XactEvent event, void*) {
  if (changes.database == nullptr) return;
  switch (event) {
    case XACT_EVENT_PRE_PREPARE:
      // The callback at COMMIT PREPARED may run in another session, which knows of no changes.
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("cannot prepare a transaction that changed keys, providers or "
                             "budgets"),
                      errhint("Commit the change in a transaction of its own.")));
      break;
    case XACT_EVENT_COMMIT:
      publish_changes();
      changes = {};
      break;
    case XACT_EVENT_ABORT:
      changes = {};
      break;
    default:
      break;
  }
}

void distrust_all(core::Database& database) noexcept {
  database.epochs.mirrored.fetch_add(1);
  for (auto& shard : database.epochs.users) shard.fetch_add(1);
  database.epochs.budgets.fetch_add(1);
}

// On a standby the commit happened elsewhere; its message comes through replay, to every backend.
void at_invalidation(Datum, Oid relation) {
  if (!RecoveryInProgress() || MyDatabaseId == InvalidOid) return;
  if (relation != InvalidOid && relation != known_api_keys()) return;
  core::Database* database = pool().database(MyDatabaseId);
  if (database != nullptr) distrust_all(*database);
}

}  // namespace

void install_coherence() {
  RegisterXactCallback(at_transaction_event, nullptr);
  CacheRegisterRelcacheCallback(at_invalidation, Datum{0});
}

void mark_mirrored_changed() { begin_changes().mirrored = true; }

void mark_user_changed(std::string_view user) {
  const std::uint32_t shard = core::Pool::shard_of(user);
  begin_changes().shards[shard / 64] |= std::uint64_t{1} << (shard % 64);
}

void mark_all_changed() {
  Changes& all = begin_changes();
  all.mirrored = true;
  for (std::uint64_t& word : all.shards) word = ~std::uint64_t{0};
}

void mark_budgets_changed() { begin_changes().budgets = true; }

void tell_standbys_to_reload() { queue_invalidation(); }

void reload_everything(core::Database& database) noexcept { distrust_all(database); }

void catch_up() {
  core::Database& database = current_database();
  if (!RecoveryInProgress()) [[likely]] {
    // What was replayed before the promotion may have found nobody to take its message in time.
    const bool loaded_in_recovery =
        database.replaying.load(std::memory_order_relaxed) && database.replaying.exchange(false);
    if (loaded_in_recovery) distrust_all(database);
    return;
  }
  database.replaying.store(true);
  // What was replayed before this process began left no message for it: it starts with distrust.
  static constinit int distrusted_by = 0;
  if (distrusted_by != MyProcPid) {
    distrusted_by = MyProcPid;
    catalog();
    distrust_all(database);
  }
  pg::call([] { AcceptInvalidationMessages(); });
}

}  // namespace keypool::store
