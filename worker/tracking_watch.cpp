#include "worker/tracking_watch.hpp"

#include <algorithm>

#include "core/tracking_alert.hpp"
#include "store/tracking_figures.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

core::Micros TrackingWatch::next_due(core::Micros now) const noexcept {
  if (!counted_) return now;
  return counted_ == counted_now() ? core::kNever : std::max(now, not_before_);
}

void TrackingWatch::look(core::Micros now) {
  // First: what is logged from here on calls for another look.
  const std::uint64_t counted = counted_now();
  figures_ = store::tracked_about(now - core::kTrackingSpan, now);
  counted_ = counted;
  not_before_ = now + kPause;
}

std::uint64_t TrackingWatch::counted_now() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& requests : database_.tracking.requests) sum += requests.load();
  // A key that is found late changes its request's row.
  for (const auto& lookups : database_.tracking.lookups) sum += lookups.load();
  return sum;
}

}  // namespace keypool::worker
