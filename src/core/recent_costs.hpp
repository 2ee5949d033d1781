// What requests have cost lately, by model: what to reserve for the next one when nobody says.
//
// A bounded table in shared memory; who falls on the same place pushes the other out. As TCP sets
// its timer: the mean, and four times the mean deviation on top, so that few requests cost more.
// Any process, any time: each entry has a spinlock of its own. Zeroed memory is an empty table.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/spinlock.hpp"

namespace keypool::core {

class RecentCosts {
 public:
  // `what` tells models apart: a hash of database, provider and model; not 0.
  void note(std::uint64_t what, std::int64_t nano) noexcept {
    Entry& entry = entries_[what % kEntries];
    const auto cost = static_cast<double>(nano);
    const std::lock_guard lock(entry.lock);
    if (entry.what != what) {
      entry.what = what;
      entry.mean = cost;
      entry.deviation = cost / 2;
      return;
    }
    const double off = cost - entry.mean;
    entry.mean += off / 8;
    entry.deviation += (std::abs(off) - entry.deviation) / 4;
  }

  std::optional<std::int64_t> estimate(std::uint64_t what) noexcept {
    Entry& entry = entries_[what % kEntries];
    const std::lock_guard lock(entry.lock);
    if (entry.what != what) return std::nullopt;
    return static_cast<std::int64_t>(entry.mean + 4 * entry.deviation) + 1;
  }

 private:
  static constexpr std::size_t kEntries = 4096;
  struct Entry {
    SpinLock lock;
    std::uint64_t what;
    double mean;
    double deviation;
  };
  Entry entries_[kEntries];
};

}  // namespace keypool::core
