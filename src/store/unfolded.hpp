// What the rollups do not hold yet: the tail of the request log, and corrections of what they do.
//
// Everything is seen in the active snapshot, so that a statement which adds this to the rollups it
// reads itself is exact. docs/exactness.md has the formula and its proof. Needs a transaction;
// throws PgError.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "store/request_scan.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Calls visit(version, sign) for whatever is to be added to the rollups (1), or taken from them
// (-1), to have the state below `below` (kNoXid: everything the snapshot sees).
void visit_unfolded(Xid below, const std::function<void(const RequestVersion&, int)>& visit);

struct FoldPlan {
  bool has_tail;             // something is not folded
  std::optional<Xid> below;  // up to where it can be folded now, if anything can
  bool is_all;               // that is as far as running transactions allow
};

// `most`: how many rows one fold shall take at about; a transaction is never split.
FoldPlan plan_fold(std::optional<std::int64_t> most);

}  // namespace keypool::store
