// A latest snapshot as the active one, for a scope: reads what is committed now, at any isolation
// level. Needs a transaction.
//
// After a Postgres error inside the scope the destructor leaves the snapshot stack alone: the
// rollback that must follow (guard.hpp) clears it, and popping could hit somebody else's entry.
#pragma once

#include <cstdint>

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

class [[nodiscard]] LatestSnapshot {
 public:
  LatestSnapshot() : errors_before_(unsettled_errors()) {
    call([] { PushActiveSnapshot(GetLatestSnapshot()); });
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
