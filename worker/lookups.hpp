// Looks again for the keys of requests that came with one nobody had stored yet: a duty of the
// worker.
//
// Reads the log's few waiting rows when some were committed, and when the plan says that their next
// lookup is due; otherwise it touches nothing. The keys of a batch are looked up at once, each
// fingerprint once, and the rows settled by one statement. A failure is noted for
// keypool.worker_status, uses up nobody's attempt and is tried again with growing pauses.
#pragma once

#include <cstdint>

#include "core/pool.hpp"
#include "worker/lookup_plan.hpp"

namespace keypool::worker {

class Lookups {
 public:
  explicit Lookups(core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);

 private:
  static constexpr core::Micros kShortestPause = 20 * core::kMillisecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  // The pause after a look is at least so many times as long as the look took.
  static constexpr core::Micros kPauseShare = 10;
  // Rows that are waited for at a time; the others have their turn when these are settled.
  static constexpr std::size_t kRowsAtOnce = 10000;

  bool look(const LookupRules& rules, core::Micros now);
  // True: committed.
  bool settle(const DueLookups& lookups);
  std::uint64_t awaiting() const noexcept;

  core::Database& database_;
  LookupPlan plan_;
  bool more_ = true;        // rows wait that the plan may not know
  std::uint64_t seen_ = 0;  // of awaiting()
  LookupRules rules_ = {};
  core::Micros not_before_ = 0;
  core::Micros retry_pause_ = kShortestPause;
};

}  // namespace keypool::worker
