// A rolling count over an hour or a minute that never under-counts: an event counts for at least
// the window's length and at most one bucket longer, so that a limit checked against it holds in
// every window and 21/22 (95.4 %) of it stays usable. Plain data for shared memory; the caller
// holds the group's lock.
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

  // More than a bucket can count stays at the most it can: far above any limit.
  void add(Micros now, std::uint32_t events) noexcept {
    advance(now);
    std::uint32_t& filling = at(newest_);
    const std::uint32_t added =
        std::min(events, std::numeric_limits<std::uint32_t>::max() - filling);
    filling += added;
    total_ += added;
  }

  // Takes events back that were added at `then`, unless they have left the window already.
  void take_back(Micros then, std::uint32_t events) noexcept {
    const std::int64_t bucket = bucket_of(then);
    if (bucket > newest_ || bucket <= newest_ - kBuckets) return;
    const std::uint32_t taken = std::min(events, at(bucket));
    at(bucket) -= taken;
    total_ -= taken;
  }

  std::uint64_t count(Micros now) noexcept {
    advance(now);
    return total_;
  }

  // When the next bucket begins: until then no count falls.
  static constexpr Micros next_step(Micros now) noexcept { return (bucket_of(now) + 1) * kWidth; }

  // The earliest moment at which the count has fallen to `allowed`, if nothing is added.
  Micros falls_to(Micros now, std::uint64_t allowed) noexcept {
    advance(now);
    std::uint64_t left = total_;
    std::int64_t bucket = newest_ - kBuckets + 1;
    for (; left > allowed && bucket <= newest_; ++bucket) left -= at(bucket);
    return left == total_ ? now : (bucket - 1 + kBuckets) * kWidth;
  }

 private:
  // Rounds down on both sides of the year 2000: a machine may start without a clock.
  static constexpr std::int64_t bucket_of(Micros time) noexcept {
    return time >= 0 ? time / kWidth : ~(~time / kWidth);
  }
  std::uint32_t& at(std::int64_t bucket) noexcept {
    const std::int64_t rest = bucket % kBuckets;
    return buckets_[rest < 0 ? rest + kBuckets : rest];
  }

  void advance(Micros now) noexcept {
    const std::int64_t bucket = bucket_of(now);
    if (bucket <= newest_) {
      // The clock may step back a little: the newest bucket goes on filling.
      if (bucket <= newest_ - kBuckets) [[unlikely]]
        restart(bucket);
      return;
    }
    const std::int64_t steps = std::min<std::int64_t>(bucket - newest_, kBuckets);
    for (std::int64_t step = 0; step < steps && total_ != 0; ++step) {
      std::uint32_t& leaving = at(bucket - step);
      total_ -= leaving;
      leaving = 0;
    }
    newest_ = bucket;
  }

  // The clock was far ahead and was set right: what it counted is taken for just happened, so that
  // it neither is forgotten nor holds until the clock is there again.
  void restart(std::int64_t bucket) noexcept {
    const std::uint64_t all = total_;
    std::fill(std::begin(buckets_), std::end(buckets_), 0);
    newest_ = bucket;
    total_ = std::min<std::uint64_t>(all, std::numeric_limits<std::uint32_t>::max());
    at(bucket) = static_cast<std::uint32_t>(total_);
  }

  std::uint32_t buckets_[kBuckets];
  std::uint64_t total_;
  std::int64_t newest_;
};

using HourWindow = Window<kHour>;
using MinuteWindow = Window<kMinute>;

}  // namespace keypool::core
