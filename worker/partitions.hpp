// Keeps the request log cut into days: partitions are made ahead, rows that came before their
// day's partition move into it, and days past keypool.request_retention go.
//
// A duty of the worker. Due at its start, when a UTC day begins, when a day has outlived the
// retention, when the retention is set anew, and now and then while requests are logged. What it
// does and which locks it takes: sql/install/35_functions_partitions.sql. Takes one short step at a
// time, in a transaction of its own, with pauses in which others come through; a step that somebody
// is in the way of is tried again with growing pauses. A failure is noted for
// keypool.worker_status.
#pragma once

#include "core/time.hpp"

namespace keypool::worker {

class PartitionKeeper {
 public:
  explicit PartitionKeeper(core::Micros now) : next_(now) {}

  core::Micros next_due(core::Micros now) const noexcept;
  // Somebody may have logged requests, perhaps of days that have no partition.
  void note_news(core::Micros now) noexcept;
  void run(core::Micros now);

 private:
  enum class Step { kDone, kMore, kLater };

  static constexpr core::Micros kStepPause = 100 * core::kMillisecond;
  static constexpr core::Micros kNewsPause = 5 * core::kSecond;
  static constexpr core::Micros kRetryPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  // News lead to a look so many times as long as the look takes later, at the earliest: however
  // much there is to look at, that costs a hundredth of a processor at most.
  static constexpr core::Micros kPauseShare = 100;

  Step take_step();
  core::Micros next_appointment(core::Micros now) const noexcept;

  core::Micros next_;
  core::Micros not_before_ = 0;
  core::Micros retry_pause_ = kRetryPause;
  int retention_ = 0;  // minutes, as last acted upon
};

}  // namespace keypool::worker
