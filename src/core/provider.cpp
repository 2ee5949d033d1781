#include "core/provider.hpp"

#include <algorithm>
#include <cmath>

namespace keypool::core {

namespace {
constexpr double kFirstBound = 0.5;  // milliseconds
}

void LatencyHistogram::add(double milliseconds) noexcept {
  const double steps = milliseconds <= kFirstBound ? 0 : 2 * std::log2(milliseconds / kFirstBound);
  counts_[static_cast<int>(std::clamp(std::ceil(steps), 0.0, kBuckets - 1.0))] += 1;
}

double LatencyHistogram::percentile(double share) const noexcept {
  std::uint64_t total = 0;
  for (const std::uint32_t count : counts_) total += count;
  if (total == 0) return 0;
  const double wanted = share * static_cast<double>(total);
  std::uint64_t seen = 0;
  int bucket = 0;
  for (; bucket < kBuckets - 1; ++bucket) {
    seen += counts_[bucket];
    if (static_cast<double>(seen) >= wanted) break;
  }
  return kFirstBound * std::exp2(bucket / 2.0 - 0.25);
}

}  // namespace keypool::core
