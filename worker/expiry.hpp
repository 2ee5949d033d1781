// Has keypool.expire_keys() destroy keys whose time is over: a duty of the worker.
//
// Looks when keys have changed, at most once a second, and when the earliest expires_at is reached;
// otherwise it touches nothing. A key that somebody is changing just then, and a failure, are tried
// again with growing pauses.
#pragma once

#include <cstdint>

#include "core/pool.hpp"

namespace keypool::worker {

class Expiry {
 public:
  explicit Expiry(core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  // Keys destroyed in one transaction; others have their turn in the next.
  static constexpr std::int32_t kKeysAtOnce = 500;

  core::Database& database_;
  std::uint64_t epoch_ = 0;  // what was looked at; epochs count from 1
  core::Micros next_ = 0;    // the earliest expires_at
  core::Micros not_before_ = 0;
  core::Micros pause_ = kPause;
};

}  // namespace keypool::worker
