#include "store/budget_mirror.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xlog.h"
}

namespace keypool::store {

namespace {

// On a standby nobody settles: sums are read again so often.
constexpr core::Micros kStandbyLoadAge = core::kSecond;

template <std::size_t kSize>
std::uint8_t copy_text(std::string_view text, std::array<char, kSize>& out) {
  const std::size_t size = std::min(text.size(), kSize);
  std::copy_n(text.begin(), size, out.begin());
  return static_cast<std::uint8_t>(size);
}

core::BudgetConfig config_of(const pg::Rows& rows, std::size_t row, std::uint32_t database) {
  core::BudgetConfig config = {};
  config.database = database;
  config.id = rows.get<std::int64_t>(row, 0);
  config.scope = core::budget_scope_from_name(rows.get<std::string_view>(row, 1)).value();
  const auto subject = rows.get<std::string_view>(row, 2);
  config.for_each = subject == "*";
  config.subject_size = config.for_each ? 0 : copy_text(subject, config.subject);
  config.period = core::budget_period_from_name(rows.get<std::string_view>(row, 3)).value();
  if (const auto window = rows.optional<pg::Duration>(row, 4)) {
    config.step = core::rolling_step(window->value);
    config.steps = core::rolling_steps(window->value);
  }
  config.limit_nano = rows.get<pg::Nanos>(row, 5).value;
  config.action = core::budget_action_from_name(rows.get<std::string_view>(row, 6)).value();
  config.fallback_model_size = copy_text(rows.get<std::string_view>(row, 7), config.fallback_model);
  config.fails_open = rows.get<std::string_view>(row, 8) == "open";
  config.name_size = copy_text(rows.get<std::string_view>(row, 9), config.name);
  config.starts = rows.get<pg::Instant>(row, 10).value;
  config.ends = rows.get<pg::Instant>(row, 11).value;
  if (config.step != 0) {
    config.starts = std::numeric_limits<core::Micros>::min();
    config.ends = core::kNever;
  }
  return config;
}

constexpr const char* kBudgets =
    "SELECT b.id, b.scope, coalesce(b.scope_id, ''), b.period, b.rolling_window,"
    " round(b.limit_usd, 9), b.action, coalesce(b.fallback_model, ''), b.fail_mode,"
    " coalesce(b.name, ''), p.starts, p.ends"
    " FROM keypool.budgets b"
    " CROSS JOIN LATERAL keypool.budget_period(b.period, b.rolling_window, b.time_zone,"
    " clock_timestamp()) p"
    " WHERE b.enabled ORDER BY b.id";

std::vector<core::BudgetConfig> read_budgets(std::uint32_t database) {
  const pg::LatestSnapshot latest(pg::LatestSnapshot::Sees::kCommitted);
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(kBudgets);
  std::vector<core::BudgetConfig> budgets;
  budgets.reserve(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    budgets.push_back(config_of(rows, row, database));
  }
  return budgets;
}

bool is_mirrored(const core::Database& database, core::Micros now) noexcept {
  const core::BudgetMirror& mirror = database.budgets;
  return mirror.loaded.load() == database.epochs.budgets.load() &&
         now < mirror.next_boundary.load(std::memory_order_relaxed);
}

}  // namespace

void ensure_budgets(core::Database& database, core::Micros now) {
  if (is_mirrored(database, now)) [[likely]]
    return;
  // Before the snapshot is taken: what is committed in between is read again.
  const std::uint64_t epoch = database.epochs.budgets.load();
  const std::vector<core::BudgetConfig> budgets = read_budgets(database.oid.load());
  core::Micros boundary = core::kNever;
  for (const core::BudgetConfig& budget : budgets) boundary = std::min(boundary, budget.ends);
  const pg::ExclusiveGuard guard(budget_lock());
  const std::uint64_t loaded = database.budgets.loaded.load();
  if (loaded > epoch || (loaded == epoch && is_mirrored(database, now))) return;
  if (budget_table().mirror(database, budgets, epoch, boundary)) return;
  throw core::Error(core::ErrorCode::kConfigurationLimit, "too many budgets for shared memory",
                    "There is room for " + std::to_string(core::kMaxBudgets) +
                        " budgets and for keypool.max_budget_accounts sums, over all databases.",
                    "Use one budget with scope_id '*' for many users, or raise "
                    "keypool.max_budget_accounts and restart the server.");
}

core::AccountMoment account_moment(const core::Database& database, core::Micros now) noexcept {
  return {.now = now,
          .epoch = database.budgets.loaded.load(),
          .oldest_load = RecoveryInProgress() ? now - kStandbyLoadAge
                                              : std::numeric_limits<core::Micros>::min()};
}

}  // namespace keypool::store
