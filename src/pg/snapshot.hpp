// A latest snapshot as the active one, for a scope: reads what is committed now, at any isolation
// level. Needs a transaction. What this transaction has written itself is seen too, unless only
// what is committed is asked for: before its first command a transaction has inserted nothing and
// deleted nothing. In a parallel query no newer snapshot can be had than the query's.
//
// After a Postgres error inside the scope the destructor leaves the snapshot stack alone: the
// rollback that must follow (guard.hpp) clears it, and popping could hit somebody else's entry.
#pragma once

#include <cstdint>

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/snapmgr.h"
}

namespace keypool::pg {

class [[nodiscard]] LatestSnapshot {
 public:
  enum class Sees { kOwnWrites, kCommitted };

  explicit LatestSnapshot(Sees sees = Sees::kOwnWrites) : errors_before_(unsettled_errors()) {
    call([sees] {
      PushCopiedSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
      if (sees == Sees::kCommitted) GetActiveSnapshot()->curcid = FirstCommandId;
    });
  }
  LatestSnapshot(const LatestSnapshot&) = delete;
  LatestSnapshot& operator=(const LatestSnapshot&) = delete;
  ~LatestSnapshot() {
    if (unsettled_errors() == errors_before_) PopActiveSnapshot();
  }

 private:
  std::uint64_t errors_before_;
};

}  // namespace keypool::pg
