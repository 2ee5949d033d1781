// Has the keys' spending of today set right once, when the worker starts: the server may have
// crashed (store/spent_today.hpp). Tried again until a moment is found in which nobody settles.
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
    next_ = committed && done ? core::kNever : now + pause_;
  }

 private:
  static constexpr core::Micros kPause = core::kMillisecond;

  core::Database& database_;
  core::Micros next_;
  core::Micros pause_ = kPause;
};

}  // namespace keypool::worker
