// A rolling count over an hour or a minute that never under-counts: an event counts for at least
// the window's length and at most one bucket longer, so that a limit checked against it holds in
// every window and 21/22 (95.4 %) of it stays usable. Buckets are numbered from the year 2000, in
// 32 bits: enough for every clock until 2194, later ones count all in the last bucket. Plain data
// for shared memory; the caller holds the group's lock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include "core/time.hpp"

namespace keypool::core {

template <Micros kLength>
class Window {
 public:
  static constexpr int kBuckets = 22;
  // One bucket is being filled while the other 21 cover the whole length.
  static constexpr Micros kWidth = kLength / (kBuckets - 1) + 1;

  // More than 32 bits can count stays at the most they can: far above any limit.
  void add(Micros now, std::uint32_t events) noexcept {
    advance(now);
    const std::uint32_t added =
        std::min(events, std::numeric_limits<std::uint32_t>::max() - total_);
    at(newest_) += added;
    total_ += added;
  }

  // Takes events back that were added at `then`, unless they have left the window already. Where
  // the clock that said `then` was behind they were counted later: what their own bucket lacks is
  // in those after it.
  void take_back(Micros then, std::uint32_t events) noexcept {
    Bucket bucket = bucket_of(then);
    if (bucket <= newest_ - kBuckets) return;
    for (; events != 0 && bucket <= newest_; ++bucket) {
      const std::uint32_t taken = std::min(events, at(bucket));
      at(bucket) -= taken;
      total_ -= taken;
      events -= taken;
    }
  }

  std::uint64_t count(Micros now) noexcept {
    advance(now);
    return total_;
  }

  // When the next bucket begins: until then no count falls.
  static constexpr Micros next_step(Micros now) noexcept { return start_of(bucket_of(now) + 1); }

  // The earliest moment at which the count has fallen to `allowed`, if nothing is added.
  Micros falls_to(Micros now, std::uint64_t allowed) noexcept {
    advance(now);
    std::uint32_t left = total_;
    Bucket bucket = newest_ - kBuckets + 1;
    for (; left > allowed && bucket <= newest_; ++bucket) left -= at(bucket);
    return left == total_ ? now : start_of(bucket - 1 + kBuckets);
  }

 private:
  friend class LimitsText;
  // Far from where a few more would overflow.
  using Bucket = std::int32_t;
  static constexpr Micros kMostBucket = std::numeric_limits<Bucket>::max() - 2 * kBuckets;

  // Rounds down on both sides of the year 2000: a machine may start without a clock.
  static constexpr Bucket bucket_of(Micros time) noexcept {
    const Micros bucket = time >= 0 ? time / kWidth : ~(~time / kWidth);
    return static_cast<Bucket>(std::clamp(bucket, -kMostBucket, kMostBucket));
  }
  static constexpr Micros start_of(Bucket bucket) noexcept { return bucket * kWidth; }
  std::uint32_t& at(Bucket bucket) noexcept {
    const Bucket rest = bucket % kBuckets;
    return buckets_[rest < 0 ? rest + kBuckets : rest];
  }

  void advance(Micros now) noexcept {
    const Bucket bucket = bucket_of(now);
    if (bucket <= newest_) {
      // The clock may step back a little: the newest bucket goes on filling.
      if (bucket <= newest_ - kBuckets) [[unlikely]]
        restart(bucket);
      return;
    }
    const auto steps = std::min<std::int64_t>(std::int64_t{bucket} - newest_, kBuckets);
    for (Bucket step = 0; step < steps && total_ != 0; ++step) {
      std::uint32_t& leaving = at(bucket - step);
      total_ -= leaving;
      leaving = 0;
    }
    newest_ = bucket;
  }

  // The clock was far ahead and was set right: what it counted is taken for just happened, so that
  // it neither is forgotten nor holds until the clock is there again.
  void restart(Bucket bucket) noexcept {
    std::fill(std::begin(buckets_), std::end(buckets_), 0);
    newest_ = bucket;
    at(bucket) = total_;
  }

  std::uint32_t buckets_[kBuckets];
  std::uint32_t total_;  // of all of them
  Bucket newest_;
};

using HourWindow = Window<kHour>;
using MinuteWindow = Window<kMinute>;

}  // namespace keypool::core
