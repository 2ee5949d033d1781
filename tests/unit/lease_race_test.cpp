// Leases taken, settled and expired by many threads at once, as sessions and the worker do it.
#include "core/lease.hpp"

#include <atomic>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 5000;
constexpr std::uint32_t kOurDatabase = 5;

class LeaseRace : public testing::Test {
 protected:
  // A small table, so that threads meet in every entry.
  explicit LeaseRace(std::uint32_t size = 16)
      : memory_(new std::max_align_t[LeaseTable::bytes_for(size) / sizeof(std::max_align_t) + 1]) {
    std::memset(memory_.get(), 0, LeaseTable::bytes_for(size));
    table_ = LeaseTable::create(memory_.get(), size, 1);
  }

  // The key id repeats the other fields, so that a mixture of two leases is noticed.
  static Lease lease(std::int64_t key_id, Micros expires_at) {
    return {0,      key_id, kOurDatabase, static_cast<std::uint32_t>(key_id),
            key_id, key_id, expires_at};
  }
  static bool whole(const Lease& lease) {
    return lease.tokens == lease.key_id && lease.cost_nano == lease.key_id &&
           lease.acquired_at == lease.key_id;
  }

  template <typename Body>
  static void in_threads(Body body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
  }

  std::unique_ptr<std::max_align_t[]> memory_;
  LeaseTable* table_;
};

TEST_F(LeaseRace, EachThreadGetsBackItsOwnLease) {
  std::atomic<int> wrong = 0;
  in_threads([&](int thread) {
    for (int round = 1; round <= kRounds; ++round) {
      const std::int64_t key_id = thread * kRounds + round;
      const std::int64_t id = table_->put(lease(key_id, kNever));
      if (id == 0) continue;
      const auto taken = table_->take(id, kOurDatabase);
      if (!taken || taken->id != id || taken->key_id != key_id || !whole(*taken)) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST_F(LeaseRace, OneLeaseIsSettledOnce) {
  for (int round = 0; round < 500; ++round) {
    const std::int64_t id = table_->put(lease(round + 1, kNever));
    ASSERT_NE(id, 0);
    std::atomic<int> takers = 0;
    in_threads([&](int) { takers += table_->take(id, kOurDatabase).has_value(); });
    ASSERT_EQ(takers, 1);
  }
}

TEST_F(LeaseRace, AnotherDatabasesLookLosesNoLease) {
  const std::int64_t id = table_->put(lease(7, kNever));
  std::atomic<int> strangers = 0;
  in_threads([&](int) {
    for (int round = 0; round < kRounds; ++round) {
      strangers += table_->take(id, kOurDatabase + 1).has_value();
    }
  });
  EXPECT_EQ(strangers, 0);
  EXPECT_TRUE(table_->take(id, kOurDatabase).has_value());
}

TEST_F(LeaseRace, ALookSeesAWholeLeaseAndTakesNoneAway) {
  std::atomic<std::int64_t> offered = 0;
  std::atomic<int> wrong = 0;
  std::atomic<bool> done = false;
  std::thread onlooker([&] {
    while (!done) {
      const std::int64_t id = offered;
      const auto seen = table_->peek(id, kOurDatabase);
      if (seen && (seen->id != id || !whole(*seen))) ++wrong;
    }
  });
  in_threads([&](int thread) {
    for (int round = 1; round <= kRounds; ++round) {
      const std::int64_t key_id = thread * kRounds + round;
      const std::int64_t id = table_->put(lease(key_id, kNever));
      if (id == 0) continue;
      offered = id;
      const auto taken = table_->take(id, kOurDatabase);
      if (!taken || taken->key_id != key_id) ++wrong;
    }
  });
  done = true;
  onlooker.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(LeaseRace, SettlingAndExpiringShareTheLeasesOut) {
  std::atomic<std::int64_t> put = 0, settled = 0, expired = 0;
  std::atomic<bool> done = false;
  std::thread worker([&] {
    while (!done) {
      std::uint32_t from = 0;
      while (auto lease = table_->take_expired(from, 10)) expired += whole(*lease);
    }
  });
  in_threads([&](int) {
    for (int round = 1; round <= kRounds; ++round) {
      const std::int64_t id = table_->put(lease(round, round % 2 == 0 ? 5 : kNever));
      if (id == 0) continue;
      ++put;
      settled += table_->take(id, kOurDatabase).has_value();
    }
  });
  done = true;
  worker.join();
  EXPECT_EQ(put, settled + expired);
}

TEST_F(LeaseRace, AFullTableGivesNoNumberTwice) {
  std::set<std::int64_t> numbers[kThreads];
  in_threads([&](int thread) {
    for (int round = 0; round < 100; ++round) {
      if (const std::int64_t id = table_->put(lease(1, kNever))) numbers[thread].insert(id);
    }
  });
  std::set<std::int64_t> all;
  std::size_t count = 0;
  for (const auto& some : numbers) {
    all.insert(some.begin(), some.end());
    count += some.size();
  }
  EXPECT_EQ(count, table_->size());
  EXPECT_EQ(all.size(), count);
}

}  // namespace
}  // namespace keypool::core
