// Folding: what is settled of the request log goes into the rollups and the books of the budgets,
// and the mark moves on. And the way back.
//
// One snapshot, one transaction, all or nothing. Locks neither writers nor readers out; a fold
// waits for another one, and for TRUNCATE. Writes as the tables' owner. Needs a transaction and an
// active snapshot; throws PgError (40001 when this transaction's snapshot is older than the last
// fold), and Error when a sum leaves 64 bits.
#pragma once

#include <cstdint>
#include <optional>

#include "store/unfolded.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

struct Fold {
  FoldPlan plan;        // what was found; nothing was written unless plan.below is set
  std::int64_t groups;  // of usage that changed
};

// `most` as for plan_fold.
Fold fold_requests(std::optional<std::int64_t> most);

// Keeps folds apart, and everybody else who writes what they write, until the transaction ends. At
// READ COMMITTED what was folded is seen by the next snapshot. `command` is what a read-only
// transaction is told it cannot do.
void lock_rollups(const char* command);

// Empties rollups, books and changes, and moves the mark if one is given; the worker learns of it
// at COMMIT. Deletes rather than truncates, so that no reader has to wait and none sees half.
void empty_rollups(std::optional<Xid> mark);

}  // namespace keypool::store
