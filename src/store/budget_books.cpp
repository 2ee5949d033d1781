#include "store/budget_books.hpp"

#include <array>

#include "pg/guard.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

std::vector<BookedBudget> budgets_in(const pg::Rows& rows) {
  std::vector<BookedBudget> budgets;
  budgets.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto window = rows.optional<pg::Duration>(i, 4);
    budgets.push_back(
        {.id = rows.get<std::int64_t>(i, 0),
         .scope = core::budget_scope_from_name(rows.get<std::string_view>(i, 1)).value(),
         .scope_id = rows.get<std::string>(i, 2),
         .rule = {.kind = core::budget_period_from_name(rows.get<std::string_view>(i, 3)).value(),
                  .window = window ? window->value : 0,
                  .time_zone = rows.get<std::string>(i, 5)},
         .counts_from = rows.get<pg::Instant>(i, 6).value});
  }
  return budgets;
}

}  // namespace

std::vector<BookedBudget> open_budgets(pg::Session& session) {
  return budgets_in(session.read(
      "SELECT id, scope, coalesce(scope_id, ''), period, rolling_window, time_zone, counts_from"
      " FROM keypool.budgets WHERE counts_from IS NOT NULL"));
}

std::vector<BookedBudget> unopened_budgets(pg::Session& session) {
  return budgets_in(
      session.run("SELECT id, scope, coalesce(scope_id, ''), period, rolling_window, time_zone,"
                  " timestamptz '-infinity' FROM keypool.budgets WHERE counts_from IS NULL"));
}

void BudgetBooks::add(core::Micros at, const core::Spender& spender, std::int64_t nano) {
  if (sums_.is_full()) write();
  sums_.add(at, spender, nano);
}

void BudgetBooks::close() {
  write();
  if (!table_) return;
  table_->close();
  pg::call([this] { MemoryContextDelete(key_memory_); });
}

void BudgetBooks::write() {
  sums_.for_each([this](std::int64_t budget, std::string_view subject, core::Micros starts,
                        std::int64_t nano) { write(budget, subject, starts, nano); });
  if (table_) table_->next_round();
  sums_.clear();
}

void BudgetBooks::write(std::int64_t budget, std::string_view subject, core::Micros starts,
                        std::int64_t nano) {
  if (!table_) {
    key_memory_ = pg::call([] {
      return AllocSetContextCreate(CurrentMemoryContext, "keypool key", ALLOCSET_SMALL_SIZES);
    });
    table_.emplace(catalog().budget_spending, kKeys);
  }
  const auto keys = pg::call([&] {
    MemoryContextReset(key_memory_);
    MemoryContextSwitchTo(key_memory_);
    return std::array<pg::NullableValue, kKeys>{
        {pg::pack(budget), pg::pack(subject), pg::pack(pg::Instant{starts})}};
  });
  table_->add(keys, {&nano, 1});
}

}  // namespace keypool::store
