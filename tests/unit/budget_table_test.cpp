#include "core/budget_table.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace keypool::core {
namespace {

constexpr Micros kNow = 800'000'000 * kSecond;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

class BudgetTableTest : public testing::Test {
 protected:
  explicit BudgetTableTest(std::uint32_t accounts = 64)
      : memory_(std::calloc(1, BudgetTable::bytes_for(accounts))),
        table_(BudgetTable::create(memory_.get(), accounts)) {
    database_->oid.store(7);
  }

  static BudgetConfig budget(std::int64_t id, BudgetScope scope, std::string_view subject,
                             std::int64_t limit, BudgetAction action = BudgetAction::kBlock) {
    BudgetConfig config = {};
    config.database = 7;
    config.id = id;
    config.scope = scope;
    config.for_each = subject == "*";
    if (!config.for_each) {
      config.subject_size = static_cast<std::uint8_t>(subject.size());
      std::copy(subject.begin(), subject.end(), config.subject.begin());
    }
    config.period = BudgetPeriod::kDay;
    config.action = action;
    config.limit_nano = limit;
    config.starts = kNow - kHour;
    config.ends = kNow + kHour;
    return config;
  }

  void mirror(const std::vector<BudgetConfig>& budgets, std::uint64_t epoch = 1) {
    ASSERT_TRUE(table_->mirror(*database_, budgets, epoch, kNow + kHour));
  }

  AccountMoment moment() const { return {kNow, database_->budgets.loaded.load(), 0}; }

  // Loads what is lacking, with so much spent before.
  void load(BudgetScope scope, std::string_view subject, std::int64_t spent = 0) {
    AccountList begun;
    const std::uint64_t number = ++loads_;
    ASSERT_TRUE(table_->begin_load(*database_, scope, subject, moment(), number, begun));
    for (const AccountRef& ref : begun.view()) {
      EXPECT_TRUE(table_->add_loaded(ref, number, kNow, spent));
      EXPECT_TRUE(table_->end_load(ref, number));
    }
  }

  AccountList collect(BudgetScope scope, std::string_view subject) {
    AccountList list;
    table_->collect(*database_, scope, subject, moment(), list);
    return list;
  }

  bool reserve(const AccountList& list, std::int64_t nano) { return !refused_by(list, nano); }
  std::optional<AccountRef> refused_by(const AccountList& list, std::int64_t nano) {
    return table_->reserve(list, {.nano = nano, .is_known = true, .now = kNow});
  }

  AccountFigures figures(const AccountList& list) {
    AccountFigures found = {};
    EXPECT_EQ(list.count, 1);
    EXPECT_TRUE(table_->copy(list.accounts[0], 0, kNow, found));
    return found;
  }

  void settle(BudgetScope scope, std::string_view subject, std::int64_t nano,
              std::uint64_t seen_from = 0, std::int64_t released = 0) {
    table_->settle(*database_, scope, subject, kNow, nano, kNow, seen_from,
                   [released](AccountRef) { return released; });
  }

  std::unique_ptr<void, Free> memory_;
  BudgetTable* table_;
  std::unique_ptr<Database> database_ = std::make_unique<Database>();
  std::uint64_t loads_ = 0;
};

TEST_F(BudgetTableTest, WithoutBudgetsThereIsNothingToCollect) {
  const AccountList list = collect(BudgetScope::kUser, "u1");
  EXPECT_EQ(list.count, 0);
  EXPECT_FALSE(list.incomplete);
}

TEST_F(BudgetTableTest, ASumCountsOnceItIsLoaded) {
  mirror({budget(1, BudgetScope::kUser, "u1", 100)});
  EXPECT_TRUE(collect(BudgetScope::kUser, "u1").incomplete);
  EXPECT_EQ(collect(BudgetScope::kUser, "u2").count, 0);
  load(BudgetScope::kUser, "u1", 30);
  const AccountList list = collect(BudgetScope::kUser, "u1");
  EXPECT_FALSE(list.incomplete);
  EXPECT_EQ(figures(list).spent_nano, 30);
}

TEST_F(BudgetTableTest, ReservesUpToTheLimitAndNotBeyond) {
  mirror({budget(1, BudgetScope::kGlobal, "", 100)});
  load(BudgetScope::kGlobal, "", 30);
  const AccountList list = collect(BudgetScope::kGlobal, "");
  EXPECT_TRUE(reserve(list, 70));
  EXPECT_FALSE(reserve(list, 1));
  table_->give_back(list.view(), 20);
  EXPECT_TRUE(reserve(list, 20));
  EXPECT_EQ(figures(list).reserved_nano, 70);
}

TEST_F(BudgetTableTest, WhoIsRefusedByOneReservesOnNone) {
  mirror({budget(1, BudgetScope::kGlobal, "", 100), budget(2, BudgetScope::kUser, "*", 10)});
  load(BudgetScope::kGlobal, "");
  load(BudgetScope::kUser, "u1");
  AccountList list = collect(BudgetScope::kGlobal, "");
  table_->collect(*database_, BudgetScope::kUser, "u1", moment(), list);
  ASSERT_EQ(list.count, 2);
  EXPECT_FALSE(reserve(list, 11));
  EXPECT_EQ(figures(collect(BudgetScope::kGlobal, "")).reserved_nano, 0);
  EXPECT_TRUE(reserve(list, 10));
  EXPECT_EQ(figures(collect(BudgetScope::kGlobal, "")).reserved_nano, 10);
}

TEST_F(BudgetTableTest, AWarningRefusesNobodyAndWhatIsUnknownIsRefusedUnlessOpen) {
  mirror({budget(1, BudgetScope::kGlobal, "", 1, BudgetAction::kWarn)});
  load(BudgetScope::kGlobal, "");
  EXPECT_TRUE(reserve(collect(BudgetScope::kGlobal, ""), 1000));
  BudgetConfig closed = budget(2, BudgetScope::kModel, "m", 1000);
  BudgetConfig open = budget(3, BudgetScope::kModel, "n", 1000);
  open.fails_open = true;
  mirror({closed, open}, 2);
  for (const std::string_view model : {"m", "n"}) {
    load(BudgetScope::kModel, model);
    const auto refused = table_->reserve(collect(BudgetScope::kModel, model),
                                         {.nano = 1, .is_known = false, .now = kNow});
    EXPECT_EQ(refused.has_value(), model == "m");
  }
}

TEST_F(BudgetTableTest, ABudgetOfOnesOwnReplacesThatForEachOfTheSamePeriod) {
  BudgetConfig monthly = budget(3, BudgetScope::kUser, "*", 500);
  monthly.period = BudgetPeriod::kMonth;
  const BudgetConfig each = budget(1, BudgetScope::kUser, "*", 10);
  mirror({each, monthly});
  load(BudgetScope::kUser, "alice");
  EXPECT_EQ(collect(BudgetScope::kUser, "alice").count, 2);
  mirror({each, budget(2, BudgetScope::kUser, "alice", 100), monthly}, 2);
  for (const std::string_view user : {"alice", "bob"}) {
    load(BudgetScope::kUser, user);
    const AccountList list = collect(BudgetScope::kUser, user);
    EXPECT_FALSE(list.incomplete);
    EXPECT_EQ(list.count, 2);
    EXPECT_EQ(reserve(list, 90), user == "alice");
  }
  mirror({each, monthly}, 3);
  load(BudgetScope::kUser, "alice");
  EXPECT_EQ(collect(BudgetScope::kUser, "alice").count, 2);
}

TEST_F(BudgetTableTest, SettlingAddsAndGivesBackInOneStep) {
  mirror({budget(1, BudgetScope::kUser, "*", 100)});
  load(BudgetScope::kUser, "u1");
  const AccountList list = collect(BudgetScope::kUser, "u1");
  ASSERT_TRUE(reserve(list, 60));
  settle(BudgetScope::kUser, "u1", 50, 0, 60);
  EXPECT_EQ(figures(list).spent_nano, 50);
  EXPECT_EQ(figures(list).reserved_nano, 0);
  settle(BudgetScope::kUser, "u2", 50);  // nobody asked for it yet: its load will find it
}

// What the snapshot of a load has seen must not be added again when its session settles.
TEST_F(BudgetTableTest, ASettlementIsCountedOnceHoweverItMeetsALoad) {
  mirror({budget(1, BudgetScope::kUser, "u1", 1000)});
  AccountList begun;
  ASSERT_TRUE(table_->begin_load(*database_, BudgetScope::kUser, "u1", moment(), 5, begun));
  settle(BudgetScope::kUser, "u1", 10, 5);  // seen by this load
  settle(BudgetScope::kUser, "u1", 20, 6);  // first seen by a later one
  settle(BudgetScope::kUser, "u1", 40, 0);  // by none
  ASSERT_TRUE(table_->add_loaded(begun.accounts[0], 5, kNow, 10));
  ASSERT_TRUE(table_->end_load(begun.accounts[0], 5));
  EXPECT_EQ(figures(collect(BudgetScope::kUser, "u1")).spent_nano, 70);
}

TEST_F(BudgetTableTest, ALoadThatWasOvertakenAddsNothing) {
  mirror({budget(1, BudgetScope::kUser, "u1", 1000)});
  AccountList first;
  AccountList second;
  ASSERT_TRUE(table_->begin_load(*database_, BudgetScope::kUser, "u1", moment(), 1, first));
  ASSERT_TRUE(table_->begin_load(*database_, BudgetScope::kUser, "u1", moment(), 2, second));
  EXPECT_FALSE(table_->add_loaded(first.accounts[0], 1, kNow, 500));
  EXPECT_FALSE(table_->end_load(first.accounts[0], 1));
  EXPECT_TRUE(table_->add_loaded(second.accounts[0], 2, kNow, 7));
  EXPECT_TRUE(table_->end_load(second.accounts[0], 2));
  EXPECT_EQ(figures(collect(BudgetScope::kUser, "u1")).spent_nano, 7);
}

TEST_F(BudgetTableTest, AChangedLimitKeepsTheSumAndTheReservations) {
  mirror({budget(1, BudgetScope::kUser, "u1", 100)});
  load(BudgetScope::kUser, "u1", 30);
  ASSERT_TRUE(reserve(collect(BudgetScope::kUser, "u1"), 50));
  mirror({budget(1, BudgetScope::kUser, "u1", 500)}, 2);
  EXPECT_TRUE(collect(BudgetScope::kUser, "u1").incomplete) << "books may have changed";
  load(BudgetScope::kUser, "u1", 30);
  const AccountFigures found = figures(collect(BudgetScope::kUser, "u1"));
  EXPECT_EQ(found.spent_nano, 30);
  EXPECT_EQ(found.reserved_nano, 50);
  EXPECT_EQ(found.budget.limit_nano, 500);
}

TEST_F(BudgetTableTest, ABudgetThatGoesTakesItsReservationsAlong) {
  mirror({budget(1, BudgetScope::kUser, "u1", 100)});
  load(BudgetScope::kUser, "u1");
  const AccountList list = collect(BudgetScope::kUser, "u1");
  ASSERT_TRUE(reserve(list, 50));
  mirror({budget(2, BudgetScope::kUser, "u2", 100)}, 2);
  load(BudgetScope::kUser, "u2");
  ASSERT_TRUE(reserve(collect(BudgetScope::kUser, "u2"), 50));
  table_->give_back(list.view(), 50);
  EXPECT_EQ(figures(collect(BudgetScope::kUser, "u2")).reserved_nano, 50);
}

class SmallTableTest : public BudgetTableTest {
 protected:
  SmallTableTest() : BudgetTableTest(8) {}
};

TEST_F(SmallTableTest, TheIdleMakeRoomAndThoseWithReservationsStay) {
  mirror({budget(1, BudgetScope::kUser, "*", 100)});
  load(BudgetScope::kUser, "kept");
  ASSERT_TRUE(reserve(collect(BudgetScope::kUser, "kept"), 50));
  for (int i = 0; i < 100; ++i) load(BudgetScope::kUser, "u" + std::to_string(i));
  EXPECT_EQ(figures(collect(BudgetScope::kUser, "kept")).reserved_nano, 50);
  EXPECT_TRUE(collect(BudgetScope::kUser, "u0").incomplete);
}

TEST_F(SmallTableTest, FullOfReservationsItRefusesMore) {
  mirror({budget(1, BudgetScope::kUser, "*", 100)});
  for (int i = 0; i < 8; ++i) {
    const std::string user = "u" + std::to_string(i);
    load(BudgetScope::kUser, user);
    ASSERT_TRUE(reserve(collect(BudgetScope::kUser, user), 1));
  }
  AccountList begun;
  EXPECT_FALSE(table_->begin_load(*database_, BudgetScope::kUser, "one more", moment(), 99, begun));
}

TEST_F(BudgetTableTest, MoreBudgetsThanARequestMayHaveAreNoticed) {
  std::vector<BudgetConfig> budgets;
  for (std::int64_t id = 1; id <= 13; ++id) {
    budgets.push_back(budget(id, BudgetScope::kGlobal, "", 100));
  }
  mirror(budgets);
  EXPECT_TRUE(collect(BudgetScope::kGlobal, "").overflow);
}

// Several budgets, taken in different orders by many threads: never over, nothing left behind.
TEST_F(BudgetTableTest, RacingSessionsNeverPassALimit) {
  constexpr std::int64_t kLimit = 1000;
  mirror({budget(1, BudgetScope::kGlobal, "", kLimit), budget(2, BudgetScope::kUser, "*", 600)});
  load(BudgetScope::kGlobal, "");
  for (const char* user : {"a", "b", "c"}) load(BudgetScope::kUser, user);
  std::atomic<bool> over = false;
  std::atomic<std::int64_t> spent = 0;
  const auto work = [&](unsigned seed) {
    const std::string user(1, static_cast<char>('a' + seed % 3));
    for (int i = 0; i < 20000; ++i) {
      AccountList list = collect(BudgetScope::kUser, user);
      table_->collect(*database_, BudgetScope::kGlobal, "", moment(), list);
      if (refused_by(list, 3)) continue;
      AccountFigures now = {};
      for (const AccountRef& ref : list.view()) {
        table_->copy(ref, 0, kNow, now);
        if (now.spent_nano + now.reserved_nano > now.budget.limit_nano) over = true;
      }
      if (i % 50 != 0) {
        table_->give_back(list.view(), 3);
        continue;
      }
      settle(BudgetScope::kGlobal, "", 1, 0, 3);
      settle(BudgetScope::kUser, user, 1, 0, 3);
      ++spent;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 6; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(over);
  const AccountFigures all = figures(collect(BudgetScope::kGlobal, ""));
  EXPECT_EQ(all.spent_nano, spent);
  EXPECT_EQ(all.reserved_nano, 0);
}

}  // namespace
}  // namespace keypool::core
