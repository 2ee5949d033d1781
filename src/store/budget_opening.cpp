#include "store/budget_opening.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/budget_table.hpp"
#include "core/error.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/budget_books.hpp"
#include "store/catalog.hpp"
#include "store/fold.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Which columns tell the spender's parts that some budget asks for; the others are left out, so
// that there are no more groups than needed.
struct Columns {
  bool provider = false;
  bool model = false;
  bool user = false;
  bool organization = false;
  bool key = false;

  explicit Columns(const std::vector<BookedBudget>& budgets) {
    for (const BookedBudget& budget : budgets) {
      const bool is_anonymous = budget.scope == core::BudgetScope::kAnonymous;
      provider = provider || budget.scope == core::BudgetScope::kProvider;
      model = model || budget.scope == core::BudgetScope::kModel;
      user = user || is_anonymous || budget.scope == core::BudgetScope::kUser;
      organization =
          organization || is_anonymous || budget.scope == core::BudgetScope::kOrganization;
      key = key || budget.scope == core::BudgetScope::kKey;
    }
  }
};

constexpr const char* kSums =
    "SELECT CASE WHEN $3 THEN s.provider END, CASE WHEN $4 THEN s.model END,"
    " CASE WHEN $5 THEN s.user_id END, CASE WHEN $6 THEN s.organization_id END,"
    " CASE WHEN $7 THEN s.api_key_id END, sum(s.cost_nano)::bigint, sum(s.unpriced)::bigint"
    " FROM (";

// From a UTC day on and before another one.
constexpr const char* kWholeDays =
    "SELECT * FROM keypool.usage_rollup WHERE day >= ($1 AT TIME ZONE 'UTC')::date"
    " AND day < ($2 AT TIME ZONE 'UTC')::date";

// What is folded of the rows between two moments: docs/exactness.md, step 1.
constexpr const char* kPartOfDay =
    "SELECT r.provider, r.model, r.user_id, r.organization_id, r.api_key_id,"
    " coalesce(r.cost_usd, 0) * 1000000000 AS cost_nano, (r.cost_usd IS NULL)::int AS unpriced"
    " FROM keypool.chat_completion_requests r WHERE r.created_at >= $1 AND r.created_at < $2"
    " AND r.xid < (SELECT folded_below FROM keypool.rollup_state)"
    " UNION ALL"
    " SELECT c.provider, c.model, c.user_id, c.organization_id, c.api_key_id,"
    " coalesce(c.cost_usd, 0) * 1000000000, (c.cost_usd IS NULL)::int"
    " FROM keypool.request_changes c WHERE c.created_at >= $1 AND c.created_at < $2"
    " AND c.row_xid < (SELECT folded_below FROM keypool.rollup_state)"
    " AND c.xid >= (SELECT folded_below FROM keypool.rollup_state)";

core::Micros day_at_or_before(core::Micros at) {
  return at == kEver || at == core::kNever ? at : core::bucket_start(at, core::kDay);
}

core::Micros day_at_or_after(core::Micros at) {
  const core::Micros day = day_at_or_before(at);
  return day == at ? at : day + core::kDay;
}

// Budgets that have their periods in common.
class Opening {
 public:
  Opening(pg::Session& session, std::vector<BookedBudget> budgets)
      : session_(session),
        columns_(budgets),
        periods_(budgets.front().rule),
        from_(periods_.counts_from(GetCurrentTransactionStartTimestamp())) {
    for (BookedBudget& budget : budgets) {
      budget.counts_from = from_;
      ids_.push_back(budget.id);
    }
    books_.emplace(budgets);
  }

  // The running period, and those to come that have requests already.
  void run() {
    session_.run("DELETE FROM keypool.budget_spending WHERE budget_id = ANY ($1)", ids_);
    for (auto at = next_request(from_); at;) {
      const PeriodRange period = periods_.holding(*at);
      add(period, *at);
      at = period.ends == core::kNever ? std::nullopt : next_request(period.ends);
    }
    books_->close();
    session_.run("UPDATE keypool.budgets SET counts_from = $2 WHERE id = ANY ($1)", ids_,
                 pg::Instant{from_});
  }

 private:
  // The first quarter of an hour from then on in which there are folded requests.
  std::optional<core::Micros> next_request(core::Micros from) {
    const pg::Rows rows = session_.run(
        "SELECT min(bucket) FROM keypool.tracking_rollup WHERE bucket >= $1", pg::Instant{from});
    const auto bucket = rows.optional<pg::Instant>(0, 0);
    return bucket ? std::optional(bucket->value) : std::nullopt;
  }

  void add(const PeriodRange& period, core::Micros at) {
    const core::Micros first = day_at_or_after(period.starts);
    const core::Micros last = day_at_or_before(period.ends);
    if (first >= last) return add(kPartOfDay, period, at);
    add(kPartOfDay, {period.starts, first}, at);
    add(kWholeDays, {first, last}, at);
    add(kPartOfDay, {last, period.ends}, at);
  }

  // `at`: somewhere in the period.
  void add(const char* source, const PeriodRange& range, core::Micros at) {
    if (range.starts == range.ends) return;
    const std::string sql = std::string(kSums) + source + ") s GROUP BY 1, 2, 3, 4, 5";
    const pg::Rows rows = session_.run(sql.c_str(), pg::Instant{range.starts},
                                       pg::Instant{range.ends}, columns_.provider, columns_.model,
                                       columns_.user, columns_.organization, columns_.key);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto text = [&](int column) {
        return rows.optional<std::string_view>(i, column).value_or("");
      };
      const core::RequestSums sums = {.cost_nano = rows.get<std::int64_t>(i, 5),
                                      .unpriced = rows.get<std::int64_t>(i, 6)};
      books_->add(at,
                  {.provider = text(0),
                   .model = text(1),
                   .user = text(2),
                   .organization = text(3),
                   .key_id = rows.optional<std::int64_t>(i, 4).value_or(0)},
                  charge_of(sums));
    }
  }

  pg::Session& session_;
  Columns columns_;
  BudgetPeriods periods_;
  core::Micros from_;
  std::vector<std::int64_t> ids_;
  std::optional<BudgetBooks> books_;
};

// A fold at REPEATABLE READ whose snapshot does not show what we do fails over this row.
void begin_writing(pg::Session& session) {
  session.run("UPDATE keypool.rollup_state SET folded_below = folded_below");
}

void check_count(pg::Session& session) {
  const auto count = session.run("SELECT count(*) FROM keypool.budgets").get<std::int64_t>(0, 0);
  if (count <= core::kMaxBudgets) return;
  throw core::Error(core::ErrorCode::kConfigurationLimit, "too many budgets",
                    "There would be " + std::to_string(count) + ", and there is room for " +
                        std::to_string(core::kMaxBudgets) + ".",
                    "One budget with scope_id '*' gives each user, key or model its own.");
}

}  // namespace

void open_books() {
  lock_rollups("a change of keypool.budgets");
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  begin_writing(session);
  check_count(session);
  std::vector<BookedBudget> left = unopened_budgets(session);
  while (!left.empty()) {
    const PeriodRule rule = left.front().rule;
    const auto others = std::stable_partition(
        left.begin(), left.end(), [&](const BookedBudget& budget) { return budget.rule == rule; });
    std::vector<BookedBudget> alike(left.begin(), others);
    left.erase(left.begin(), others);
    Opening(session, std::move(alike)).run();
  }
}

void close_books(std::optional<std::int64_t> budget) {
  lock_rollups("a change of keypool.budgets");
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  begin_writing(session);
  session.run(
      "DELETE FROM keypool.budget_spending s WHERE s.budget_id = $1 OR $1 IS NULL AND NOT EXISTS"
      " (SELECT FROM keypool.budgets b WHERE b.id = s.budget_id)",
      budget);
}

}  // namespace keypool::store
