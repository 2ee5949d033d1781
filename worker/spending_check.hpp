// Has the keys' spending of today set right when the worker starts, and once more a second later:
// the server may have crashed (store/spent_today.hpp). Each time tried again until a moment is
// found in which nobody settles.
#pragma once

#include <algorithm>

#include "core/pool.hpp"
#include "core/time.hpp"
#include "store/spent_today.hpp"
#include "worker/attempt.hpp"

namespace keypool::worker {

class SpendingCheck {
 public:
  SpendingCheck(core::Database& database, core::Micros now) : database_(database), next_(now) {}

  core::Micros next_due(core::Micros) const noexcept { return next_; }

  void run(core::Micros now) {
    bool done = false;
    const bool committed = attempt([&] { done = store::correct_spent_today(database_); });
    pause_ = committed ? kPause : std::min(pause_ * 2, core::kMinute);
    const bool checked = committed && done;
    if (checked) --checks_;
    next_ = !checked ? now + pause_ : checks_ > 0 ? now + kAgain : core::kNever;
  }

 private:
  static constexpr core::Micros kPause = core::kMillisecond;
  // Sessions that load a key while the first check writes it down may start from what was there
  // before: a second check, when they are done, finds that.
  static constexpr core::Micros kAgain = core::kSecond;

  core::Database& database_;
  core::Micros next_;
  core::Micros pause_ = kPause;
  int checks_ = 2;
};

}  // namespace keypool::worker
