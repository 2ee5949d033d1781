// Folds the request log into its rollups: at most once a second while there is something to fold,
// and less often when that takes longer. The views are exact whether this runs or not; it keeps
// them fast.
//
// Requests are folded once no older transaction that writes is open. While one is, the tail is
// looked at with growing pauses; when there is none left, nothing is due until note_news(). A
// request to stop interrupts a fold, which then has not happened.
#pragma once

#include "core/time.hpp"

namespace keypool::worker {

class Rollup {
 public:
  explicit Rollup(core::Micros now) : next_(now) {}

  core::Micros next_due(core::Micros) const noexcept { return next_; }
  // The writer ran: somebody may have logged requests.
  void note_news(core::Micros now) noexcept;
  void run(core::Micros now);

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  static constexpr core::Micros kLongestRest = 10 * core::kSecond;
  static constexpr int kPausePerEffort = 10;

  // After `pause_`, which is longer each time in a row that this happens.
  void look_later(core::Micros now) noexcept;

  core::Micros next_;
  core::Micros not_before_ = 0;
  core::Micros pause_ = kPause;
};

}  // namespace keypool::worker
