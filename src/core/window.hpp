// A rolling count over an hour or a minute that never under-counts: an event counts for at least
// the window's length and at most one bucket longer, so that a limit checked against it holds in
// every window and 21/22 (95.4 %) of it stays usable. Plain data for shared memory; the caller
// holds the group's lock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/time.hpp"

namespace keypool::core {

template <Micros kLength>
class Window {
 public:
  static constexpr int kBuckets = 22;
  // One bucket is being filled while the other 21 cover the whole length.
  static constexpr Micros kWidth = kLength / (kBuckets - 1) + 1;

  void add(Micros now, std::uint32_t events) noexcept {
    advance(now);
    buckets_[newest_ % kBuckets] += events;
    total_ += events;
  }

  // Takes events back that were added at `then`, unless they have left the window already.
  void take_back(Micros then, std::uint32_t events) noexcept {
    const std::int64_t bucket = then / kWidth;
    if (bucket > newest_ || bucket <= newest_ - kBuckets) return;
    const std::uint32_t taken = std::min(events, buckets_[bucket % kBuckets]);
    buckets_[bucket % kBuckets] -= taken;
    total_ -= taken;
  }

  std::uint64_t count(Micros now) noexcept {
    advance(now);
    return total_;
  }

  // The earliest moment at which the count has fallen to `allowed`, if nothing is added.
  Micros falls_to(Micros now, std::uint64_t allowed) noexcept {
    advance(now);
    std::uint64_t left = total_;
    std::int64_t bucket = newest_ - kBuckets + 1;
    for (; left > allowed && bucket <= newest_; ++bucket) left -= buckets_[bucket % kBuckets];
    return left == total_ ? now : (bucket - 1 + kBuckets) * kWidth;
  }

 private:
  void advance(Micros now) noexcept {
    const std::int64_t bucket = now / kWidth;
    if (bucket <= newest_) return;  // the clock may step back: the newest bucket goes on filling
    const std::int64_t steps = std::min<std::int64_t>(bucket - newest_, kBuckets);
    for (std::int64_t step = 0; step < steps && total_ != 0; ++step) {
      std::uint32_t& leaving = buckets_[(bucket - step) % kBuckets];
      total_ -= leaving;
      leaving = 0;
    }
    newest_ = bucket;
  }

  std::uint32_t buckets_[kBuckets];
  std::uint64_t total_;
  std::int64_t newest_;
};

using HourWindow = Window<kHour>;
using MinuteWindow = Window<kMinute>;

}  // namespace keypool::core
