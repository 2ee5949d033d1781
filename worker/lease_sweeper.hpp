// Gives back leases that nobody settled, so that an application that died holds no capacity.
//
// Looks at the whole table now and then, but only while a lease is out: an idle database is never
// looked at.
#pragma once

#include <algorithm>

#include "core/time.hpp"
#include "pg/settings.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

namespace keypool::worker {

class LeaseSweeper {
 public:
  explicit LeaseSweeper(core::Micros now) { note_use(now); }

  // Keys of this database are in use: leases may have been taken up to now.
  void note_use(core::Micros now) noexcept {
    if (store::pool().leases().held() == 0) return;
    next_ = std::min(next_, now + pause());  // the setting may have become shorter
  }

  core::Micros next_due(core::Micros) const noexcept { return next_; }

  void run(core::Micros now) {
    store::expire_leases();
    next_ = store::pool().leases().held() != 0 ? now + pause() : core::kNever;
  }

 private:
  static constexpr core::Micros kLongestPause = 30 * core::kSecond;

  // A lease outlives its time by a tenth at most.
  static core::Micros pause() noexcept {
    const core::Micros timeout = pg::settings().lease_timeout * core::kSecond;
    return std::clamp(timeout / 10, core::kSecond, kLongestPause);
  }

  core::Micros next_ = core::kNever;
};

}  // namespace keypool::worker
