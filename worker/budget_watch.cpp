#include "worker/budget_watch.hpp"

#include <algorithm>
#include <string_view>

#include "core/budget_alert.hpp"
#include "core/request_tally.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// In an order in which a long list stays what it is while its members do: spent ones first.
constexpr const char* kRead =
    "SELECT b.budget_id, coalesce(b.name, ''), b.scope, coalesce(b.subject, ''), b.period, "
    "b.action,"
    " b.limit_usd, b.spent_usd, coalesce(b.reserved_usd, 0), b.period_end"
    " FROM keypool.budget_status b"
    " WHERE b.enabled AND b.spent_usd + coalesce(b.reserved_usd, 0) >= $1::numeric * b.limit_usd"
    " ORDER BY b.spent_usd < b.limit_usd, b.budget_id, b.subject LIMIT $2";

core::BudgetFact fact_of(const pg::Rows& rows, std::size_t row) {
  core::BudgetFact fact;
  fact.id = rows.get<std::int64_t>(row, 0);
  fact.name = rows.get<std::string>(row, 1);
  fact.scope = core::budget_scope_from_name(rows.get<std::string_view>(row, 2))
                   .value_or(core::BudgetScope::kGlobal);
  fact.subject = rows.get<std::string>(row, 3);
  fact.period = core::budget_period_from_name(rows.get<std::string_view>(row, 4))
                    .value_or(core::BudgetPeriod::kTotal);
  fact.action = core::budget_action_from_name(rows.get<std::string_view>(row, 5))
                    .value_or(core::BudgetAction::kWarn);
  fact.limit_nano = rows.get<pg::Nanos>(row, 6).value;
  fact.spent_nano = rows.get<pg::Nanos>(row, 7).value;
  fact.reserved_nano = rows.get<pg::Nanos>(row, 8).value;
  const auto ends = rows.optional<pg::Instant>(row, 9);
  if (ends) fact.ends = ends->value;
  return fact;
}

}  // namespace

core::Micros BudgetWatch::next_due(core::Micros now) const noexcept {
  const bool changed = !looked_ || database_.epochs.budgets.load() != epoch_;
  if (changed || (any_ && database_.tracking.counted() != counted_))
    return std::max(now, not_before_);
  return next_end_;
}

void BudgetWatch::look(core::Micros now, double share) {
  // First: what happens from here on calls for another look.
  const std::uint64_t epoch = database_.epochs.budgets.load();
  const std::uint64_t counted = database_.tracking.counted();
  pg::Session session;
  any_ = session.run("SELECT EXISTS (SELECT FROM keypool.budgets WHERE enabled)").get<bool>(0, 0);
  facts_.clear();
  if (any_) {
    const pg::Rows rows = session.run(kRead, core::least_telling_share(share), kMostFacts);
    for (std::size_t row = 0; row < rows.size(); ++row) facts_.push_back(fact_of(rows, row));
  }
  looked_ = true;
  epoch_ = epoch;
  counted_ = counted;
  next_end_ = next_end(now);
  not_before_ = now + kPause;
}

// What a rolling budget has spent leaves its window on a quarter of an hour.
core::Micros BudgetWatch::next_end(core::Micros now) const noexcept {
  core::Micros next = core::kNever;
  for (const core::BudgetFact& fact : facts_) {
    const bool rolls = fact.period == core::BudgetPeriod::kRolling;
    const core::Micros step = (now / core::kRequestBucket + 1) * core::kRequestBucket;
    next = std::min(next, rolls ? step : fact.ends);
  }
  return next <= now ? now + kPause : next;
}

}  // namespace keypool::worker
