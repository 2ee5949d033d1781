// Rewraps the keys of this database when the newest root key is not the one that wrapped them.
//
// A duty of the worker. Looks at the start, when the settings were read anew, and when somebody in
// this server says that root keys may have changed (rotate_root_key in any database); the clock
// alone wakes nobody, except after a failure. The source of the root keys is asked only where there
// is something that one of them has wrapped; until then every change of keys is a reason to look.
#pragma once

#include <cstdint>

#include "core/pool.hpp"
#include "core/time.hpp"

namespace keypool::worker {

class RootKeys {
 public:
  explicit RootKeys(const core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  // True: old wrapped keys are left behind in the pages of keypool.data_keys.
  bool run(core::Micros now);
  // The settings were read anew.
  void note_reload() noexcept { looked_ = false; }

 private:
  static constexpr core::Micros kPause = 10 * core::kSecond;
  static constexpr core::Micros kLongestPause = 10 * core::kMinute;

  const core::Database& database_;
  bool looked_ = false;
  std::uint64_t changes_ = 0;
  bool any_ = false;         // wrapped keys
  std::uint64_t epoch_ = 0;  // of the keys, as of the last look
  core::Micros retry_at_ = core::kNever;
  core::Micros retry_pause_ = kPause;
};

}  // namespace keypool::worker
