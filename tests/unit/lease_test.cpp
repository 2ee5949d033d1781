#include "core/lease.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;
constexpr std::uint32_t kDatabase = 5;

class TestTable {
 public:
  explicit TestTable(std::uint32_t size, Micros now = kNow)
      : memory_(LeaseTable::bytes_for(size) / sizeof(std::uint64_t) + 1),
        table_(LeaseTable::create(memory_.data(), size, now)) {}
  LeaseTable* operator->() { return table_; }
  std::int64_t put(std::int64_t key_id, Micros expires_at = kNow + kMinute) {
    return table_->put({.id = 0,
                        .key_id = key_id,
                        .database = kDatabase,
                        .tokens = 7,
                        .cost_nano = 9,
                        .acquired_at = kNow,
                        .expires_at = expires_at});
  }

 private:
  std::vector<std::uint64_t> memory_;
  LeaseTable* table_;
};

TEST(LeaseTable, WhatIsPutIsTakenOnce) {
  TestTable table(4);
  const std::int64_t id = table.put(17);
  ASSERT_GT(id, 0);
  const auto lease = table->take(id, kDatabase);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->id, id);
  EXPECT_EQ(lease->key_id, 17);
  EXPECT_EQ(lease->tokens, 7u);
  EXPECT_EQ(lease->cost_nano, 9);
  EXPECT_EQ(lease->acquired_at, kNow);
  EXPECT_FALSE(table->take(id, kDatabase));
}

TEST(LeaseTable, UnknownNumbersAreUnknown) {
  TestTable table(4);
  const std::int64_t id = table.put(1);
  for (const std::int64_t other :
       {id + 4, id - 4, id + 1, std::int64_t{0}, std::int64_t{-1},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_FALSE(table->take(other, kDatabase)) << other;
  }
  EXPECT_TRUE(table->take(id, kDatabase));
}

TEST(LeaseTable, AnotherDatabasesLeaseIsUnknown) {
  TestTable table(4);
  const std::int64_t id = table.put(1);
  EXPECT_FALSE(table->take(id, kDatabase + 1));
  EXPECT_TRUE(table->take(id, kDatabase));
}

TEST(LeaseTable, AStaleNumberStaysUnknownWhenItsEntryIsUsedAgain) {
  TestTable table(2);
  const std::int64_t old = table.put(1);
  ASSERT_TRUE(table->take(old, kDatabase));
  std::vector<std::int64_t> later = {table.put(2), table.put(3)};
  EXPECT_FALSE(table->take(old, kDatabase));
  for (const std::int64_t id : later) EXPECT_TRUE(table->take(id, kDatabase));
}

TEST(LeaseTable, SaysWhenItIsFullAndUsesUpNoNumbersOnIt) {
  TestTable table(8);
  std::vector<std::int64_t> held;
  for (int i = 0; i < 8; ++i) held.push_back(table.put(i));
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(table.put(99), 0);
  ASSERT_TRUE(table->take(held[3], kDatabase));
  const std::int64_t next = table.put(99);
  EXPECT_GT(next, held.back());
  EXPECT_LE(next, held.back() + 8) << "numbers that run ahead of the clock could come again";
  EXPECT_EQ(table.put(99), 0);
}

TEST(LeaseTable, NumbersAreNotGivenAgainAfterARestart) {
  std::set<std::int64_t> seen;
  Micros now = kNow;
  for (int run = 0; run < 5; ++run) {
    TestTable table(16, now);
    for (int i = 0; i < 1'000; ++i) {
      const std::int64_t id = table.put(1);
      ASSERT_TRUE(seen.insert(id).second);
      ASSERT_TRUE(table->take(id, kDatabase));
    }
    now += 10 * kMillisecond;  // a thousand leases in ten milliseconds
  }
}

TEST(LeaseTable, NumbersArePositiveEvenWithoutAClock) {
  TestTable table(4, kUnixEpoch);
  const std::int64_t id = table.put(1);
  EXPECT_GT(id, 0);
  EXPECT_TRUE(table->take(id, kDatabase));
}

TEST(LeaseTable, OnlyWhatIsOverExpires) {
  TestTable table(8);
  const std::int64_t early = table.put(1, kNow + kSecond);
  const std::int64_t late = table.put(2, kNow + kMinute);
  std::uint32_t from = 0;
  EXPECT_FALSE(table->take_expired(from, kNow));
  EXPECT_EQ(from, table->size());
  from = 0;
  const auto expired = table->take_expired(from, kNow + kSecond);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->id, early);
  EXPECT_FALSE(table->take_expired(from, kNow + kSecond));
  EXPECT_FALSE(table->take(early, kDatabase)) << "expired already";
  EXPECT_TRUE(table->take(late, kDatabase));
}

TEST(LeaseTable, ExpiryFindsEveryLeaseInOneWalk) {
  TestTable table(32);
  for (int i = 0; i < 20; ++i) table.put(i, kNow);
  std::set<std::int64_t> keys;
  std::uint32_t from = 0;
  while (const auto lease = table->take_expired(from, kNow)) keys.insert(lease->key_id);
  EXPECT_EQ(keys.size(), 20u);
}

TEST(LeaseTable, ALookLeavesTheLeaseWhereItIs) {
  TestTable table(4);
  const std::int64_t id = table.put(17);
  for (int i = 0; i < 2; ++i) {
    const auto lease = table->peek(id, kDatabase);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->key_id, 17);
  }
  EXPECT_EQ(table->held(), 1u);
  EXPECT_TRUE(table->take(id, kDatabase));
}

TEST(LeaseTable, ALeaseThatIsOverIsKnownUntilItsEntryIsUsedAgain) {
  TestTable table(2);
  const std::int64_t old = table.put(17, kNow);
  std::uint32_t from = 0;
  ASSERT_TRUE(table->take_expired(from, kNow));
  const auto lease = table->peek(old, kDatabase);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->key_id, 17);
  EXPECT_EQ(table->held(), 0u);
  EXPECT_FALSE(table->take(old, kDatabase)) << "a look brings nothing back";
  for (int i = 0; i < 2; ++i) ASSERT_GT(table.put(18), 0);
  EXPECT_FALSE(table->peek(old, kDatabase));
}

TEST(LeaseTable, WhatNeverWasIsNotSeen) {
  TestTable table(4);
  EXPECT_FALSE(table->peek(1, kDatabase)) << "an empty table";
  const std::int64_t id = table.put(1);
  for (const std::int64_t other : {id + 4, id + 1, std::int64_t{0}, std::int64_t{-1},
                                   std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_FALSE(table->peek(other, kDatabase)) << other;
  }
  EXPECT_FALSE(table->peek(id, kDatabase + 1)) << "another database's";
}

TEST(LeaseTable, ExactlyOneOfManyTakersGetsALease) {
  constexpr int kThreads = 4;
  constexpr int kLeases = 2'000;
  TestTable table(64);
  std::atomic<std::int64_t> offered{0};
  std::atomic<int> taken{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      while (!done.load()) {
        const std::int64_t id = offered.load();
        std::uint32_t from = 0;
        const bool got = i == 0 ? table->take_expired(from, kNow + kHour).has_value()
                                : table->take(id, kDatabase).has_value();
        if (got) ++taken;
        std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < kLeases; ++i) {
    const std::int64_t id = table.put(i);
    ASSERT_GT(id, 0);
    offered = id;
    while (taken.load() != i + 1) std::this_thread::yield();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), kLeases);
}

}  // namespace
}  // namespace keypool::core
