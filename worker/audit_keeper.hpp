// Writes into the audit log what sessions leave in shared memory for it (store/audit_board.hpp),
// and drops what keypool.audit_retention no longer keeps.
//
// Picks and failed attempts are written once the second they were counted in is over, one entry for
// each caller, whatever number of sessions he has; single picks at once. Nothing is given up: what
// could not be written is there again, for the next worker too. When nothing happened nothing is
// looked at, except once an hour for the retention.
#pragma once

#include <cstdint>

#include "core/time.hpp"

namespace keypool::worker {

class AuditKeeper {
 public:
  AuditKeeper();

  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);

  // Keys of this database are in use: something may have been noted up to now.
  void note_news(core::Micros now) noexcept;
  // All that is left, at the worker's end.
  void finish();

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kBetweenPrunes = core::kHour;

  void collect(core::Micros now, bool all);
  void prune(core::Micros now);

  core::Micros due_ = 0;
  core::Micros prune_due_ = 0;
  std::uint64_t seen_urgent_ = 0;
};

}  // namespace keypool::worker
