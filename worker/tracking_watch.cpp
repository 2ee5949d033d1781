#include "worker/tracking_watch.hpp"

#include <algorithm>

#include "core/tracking_alert.hpp"
#include "store/tracking_figures.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

core::Micros TrackingWatch::next_due(core::Micros now) const noexcept {
  if (!counted_) return now;
  return counted_ == database_.tracking.counted() ? core::kNever : std::max(now, not_before_);
}

void TrackingWatch::look(core::Micros now) {
  // First: what is logged from here on calls for another look.
  const std::uint64_t counted = database_.tracking.counted();
  figures_ = store::tracked_about(now - core::kTrackingSpan, now);
  counted_ = counted;
  not_before_ = now + kPause;
}

}  // namespace keypool::worker
