// Gives back leases that nobody settled, so that an application that died holds no capacity.
//
// Looks at the whole table now and then, but only as long as there can be open leases: until the
// last of them has expired after the last sign of use. An idle database is never looked at.
#pragma once

#include <algorithm>

#include "core/time.hpp"
#include "pg/settings.hpp"
#include "store/report.hpp"

namespace keypool::worker {

class LeaseSweeper {
 public:
  explicit LeaseSweeper(core::Micros now) { note_use(now); }

  // Keys of this database are in use: leases may have been taken up to now.
  void note_use(core::Micros now) noexcept {
    const core::Micros period = pause();
    last_needed_ = std::max(last_needed_, now + timeout() + period);
    next_ = std::min(next_, now + period);  // the setting may have become shorter
  }

  core::Micros next_due(core::Micros) const noexcept { return next_; }

  void run(core::Micros now) {
    store::expire_leases();
    next_ = now < last_needed_ ? now + pause() : core::kNever;
  }

 private:
  static constexpr core::Micros kLongestPause = 30 * core::kSecond;

  static core::Micros timeout() noexcept { return pg::settings().lease_timeout * core::kSecond; }
  // A lease outlives its time by a tenth at most.
  static core::Micros pause() noexcept {
    return std::clamp(timeout() / 10, core::kSecond, kLongestPause);
  }

  core::Micros last_needed_ = 0;
  core::Micros next_ = core::kNever;
};

}  // namespace keypool::worker
