// What was spent in the running period, or in the steps of a rolling window.
//
// Plain data for shared memory; the caller holds the account's lock. Amounts may be negative:
// corrections of what was counted before. Sums stop at the ends of what 64 bits hold.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "core/budget.hpp"
#include "core/request_tally.hpp"
#include "core/time.hpp"

namespace keypool::core {

class Spending {
 public:
  // A period; or, with a step, a rolling window of so many steps.
  void begin(Micros starts, Micros ends, Micros step, int steps) noexcept {
    *this = {};
    starts_ = starts;
    ends_ = ends;
    step_ = step;
    steps_ = steps;
  }

  Micros starts() const noexcept { return starts_; }

  // At the instant `at`. What lies ahead by more than clocks differ belongs to a time that has not
  // come: it is counted when the sum is next read from the tables.
  void add(Micros at, std::int64_t nano, Micros now) noexcept {
    if (step_ == 0) {
      if (at >= starts_ && at < ends_) add_to(sum_, nano);
      return;
    }
    const Micros start = bucket_start(at, step_);
    if (start > now + step_) return;
    advance(start);
    if (start <= newest_ - steps_ * step_) return;
    add_to(place(start), nano);
    add_to(sum_, nano);
  }

  std::int64_t total(Micros now) noexcept {
    if (step_ != 0) advance(bucket_start(now, step_));
    return sum_;
  }

  // When the sum has fallen to `allowed` by the clock alone; kNever: a period's end decides.
  Micros falls_to(Micros now, std::int64_t allowed) noexcept {
    if (step_ == 0) return kNever;
    advance(bucket_start(now, step_));
    std::int64_t left = sum_;
    for (Micros start = newest_ - (steps_ - 1) * step_; start <= newest_; start += step_) {
      left -= place(start);
      if (left <= allowed) return start + steps_ * step_;
    }
    return newest_ + steps_ * step_;
  }

 private:
  static void add_to(std::int64_t& sum, std::int64_t nano) noexcept {
    if (!__builtin_add_overflow(sum, nano, &sum)) return;
    sum = nano > 0 ? std::numeric_limits<std::int64_t>::max()
                   : std::numeric_limits<std::int64_t>::min();
  }

  std::int64_t& place(Micros start) noexcept {
    const std::int64_t rest = start / step_ % kRollingSteps;
    return amounts_[static_cast<std::size_t>(rest < 0 ? rest + kRollingSteps : rest)];
  }

  void advance(Micros start) noexcept {
    if (start <= newest_) return;
    const std::int64_t passed = std::min<std::int64_t>((start - newest_) / step_, kRollingSteps);
    for (std::int64_t i = 0; i < passed; ++i) place(start - i * step_) = 0;
    newest_ = start;
    sum_ = 0;
    for (int i = 0; i < steps_; ++i) add_to(sum_, place(start - i * step_));
  }

  Micros starts_;
  Micros ends_;
  Micros step_;  // 0: a period
  Micros newest_;
  std::int64_t sum_;
  std::array<std::int64_t, kRollingSteps> amounts_;
  std::int32_t steps_;
};

}  // namespace keypool::core
