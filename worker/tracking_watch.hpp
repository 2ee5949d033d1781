// Reads how well the requests of the last day are tracked, for the alert on it.
//
// Part of the keeper of alerts (alerts.hpp). Looks again when something was logged since the last
// look, and every ten seconds at most; the clock alone wakes nobody. What the counters of logged
// requests do not show, an UPDATE of old rows say, is seen with the next request that is logged, or
// when the keeper compares open alerts with the tables.
#pragma once

#include <cstdint>
#include <optional>

#include "core/pool.hpp"
#include "core/time.hpp"
#include "core/tracking_quality.hpp"

namespace keypool::worker {

class TrackingWatch {
 public:
  explicit TrackingWatch(const core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  bool is_due(core::Micros now) const noexcept { return next_due(now) <= now; }
  // Needs a transaction that acts as the tables' owner; throws PgError.
  void look(core::Micros now);
  // The next look is due at once.
  void forget() noexcept { counted_.reset(); }

  const core::TrackingFigures& figures() const noexcept { return figures_; }

 private:
  static constexpr core::Micros kPause = 10 * core::kSecond;

  const core::Database& database_;
  core::TrackingFigures figures_;
  std::optional<std::uint64_t> counted_;  // what had been counted before the last look
  core::Micros not_before_ = 0;
};

}  // namespace keypool::worker
