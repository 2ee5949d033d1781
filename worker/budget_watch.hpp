// Reads which budgets are much used up, for the alerts on them.
//
// Part of the keeper of alerts (alerts.hpp). Looks again when a budget changed, when something was
// logged since the last look, and when a period ends of which there is something to tell; every two
// seconds at most. Where there are no budgets it looks at nothing until there is one.
#pragma once

#include <cstdint>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/pool.hpp"
#include "core/time.hpp"

namespace keypool::worker {

class BudgetWatch {
 public:
  explicit BudgetWatch(const core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  bool is_due(core::Micros now) const noexcept { return next_due(now) <= now; }
  // `share` is that of keypool.cost_alert. Needs a transaction that acts as the tables' owner;
  // throws PgError.
  void look(core::Micros now, double share);
  // The next look is due at once.
  void forget() noexcept { looked_ = false; }

  const std::vector<core::BudgetFact>& facts() const noexcept { return facts_; }

 private:
  static constexpr core::Micros kPause = 2 * core::kSecond;
  // Those that are told of at once; with a budget for each user there may be any number.
  static constexpr std::int64_t kMostFacts = 1000;

  core::Micros next_end(core::Micros now) const noexcept;

  const core::Database& database_;
  std::vector<core::BudgetFact> facts_;
  bool looked_ = false;
  bool any_ = false;           // there are budgets
  std::uint64_t epoch_ = 0;    // as of the last look
  std::uint64_t counted_ = 0;  // likewise
  core::Micros next_end_ = core::kNever;
  core::Micros not_before_ = 0;
};

}  // namespace keypool::worker
