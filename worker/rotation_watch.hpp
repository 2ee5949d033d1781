// Reads which keys are older than their rotation_interval allows, for the alerts on them.
//
// Part of the keeper of alerts (alerts.hpp). Looks again when a commit changed keys, every two
// seconds at most, and when the next key falls due. Where no key has an interval the look is at an
// empty index.
#pragma once

#include <cstdint>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/pool.hpp"
#include "core/time.hpp"

namespace keypool::worker {

class RotationWatch {
 public:
  explicit RotationWatch(const core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  bool is_due(core::Micros now) const noexcept { return next_due(now) <= now; }
  // Needs a transaction that acts as the tables' owner; throws PgError.
  void look(core::Micros now);
  // The next look is due at once.
  void forget() noexcept { looked_ = false; }

  const std::vector<core::RotationFact>& facts() const noexcept { return facts_; }

 private:
  static constexpr core::Micros kPause = 2 * core::kSecond;
  // Those that are told of at once, the longest overdue.
  static constexpr std::int64_t kMostFacts = 1000;

  const core::Database& database_;
  std::vector<core::RotationFact> facts_;
  bool looked_ = false;
  std::uint64_t epoch_ = 0;
  core::Micros next_key_ = core::kNever;
  core::Micros not_before_ = 0;
};

}  // namespace keypool::worker
