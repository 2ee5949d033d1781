// The parts of the pool that are used without its lock, and picks that share it.
#include "core/pool.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/publish.hpp"
#include "core/selection.hpp"

namespace keypool::core {
namespace {

constexpr int kThreads = 4;
constexpr Micros kNow = 800'000'000 * kSecond;
constexpr std::uint32_t kOurDatabase = 5;

template <typename Body>
void in_threads(Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

class PoolRace : public testing::Test {
 protected:
  static constexpr PoolSizes kSizes = {64, 4096};

  PoolRace()
      : memory_(std::aligned_alloc(64, (Pool::bytes_for(kSizes) + 63) / 64 * 64), &std::free),
        pool_(Pool::create(std::memset(memory_.get(), 0, Pool::bytes_for(kSizes)), kSizes, kNow)) {}

  // One provider with `keys` system keys, each for at most `concurrency` requests in flight.
  void publish(int keys, int concurrency) {
    ProviderRow provider = {};
    provider.config.database = kOurDatabase;
    provider.config.enabled = true;
    provider.config.fallback_order = kNoFallback;
    provider.config.name_size = 6;
    std::memcpy(provider.config.name.data(), "openai", 6);
    provider.config.names[0] = Pool::provider_name_hash("openai");
    std::vector<KeyRow> rows;
    for (int i = 1; i <= keys; ++i) {
      KeyRow row = {"openai", OwnerKind::kSystem, "", {}};
      row.slot.config.key_id = i;
      row.slot.config.expires_at = kNever;
      row.slot.config.weight = 1;
      row.slot.config.enabled = true;
      row.slot.config.limits.concurrency = concurrency;
      rows.push_back(row);
    }
    Database& database = *pool_.database(kOurDatabase);
    ASSERT_TRUE(Publisher(pool_, kNow).mirror(database, {&provider, 1}, rows, 1));
    provider_ = pool_.find_provider(kOurDatabase, "openai");
    group_ = pool_.find_group({kOurDatabase, provider_, OwnerKind::kSystem, ""});
    ASSERT_NE(group_, kNone);
  }

  std::uint32_t take(Random& random) {
    const Moment moment = {kNow, Strategy::kRoundRobin, random};
    Wish wish;
    wish.lease = true;
    Group& group = pool_.group(group_);
    const std::lock_guard guard(group.lock);
    return take_key(pool_, group, pool_.provider(provider_), wish, moment);
  }

  void give_back(std::uint32_t slot, Random& random) {
    Group& group = pool_.group(group_);
    const std::lock_guard guard(group.lock);
    return_lease(pool_.slot(slot), {0, pool_.slot(slot).config.key_id, kOurDatabase, 0, 0, kNow, 0},
                 false);
    rerank(pool_, group, pool_.provider(provider_), slot, {kNow, Strategy::kRoundRobin, random});
  }

  std::unique_ptr<void, decltype(&std::free)> memory_;
  Pool pool_;
  std::uint32_t provider_ = kNone;
  std::uint32_t group_ = kNone;
};

TEST_F(PoolRace, SessionsThatArriveTogetherShareOneDatabaseEntry) {
  for (std::uint32_t oid = 1; oid <= 100; ++oid) {
    Database* seen[kThreads] = {};
    in_threads([&](int thread) { seen[thread] = pool_.database(oid); });
    for (Database* entry : seen) {
      ASSERT_NE(entry, nullptr);
      ASSERT_EQ(entry, seen[0]);
      ASSERT_EQ(entry->epochs.mirrored, 1u);
    }
  }
}

TEST_F(PoolRace, DatabasesThatArriveTogetherGetEntriesOfTheirOwn) {
  Database* seen[kThreads] = {};
  in_threads([&](int thread) { seen[thread] = pool_.database(100u + thread); });
  for (int i = 0; i < kThreads; ++i) {
    ASSERT_NE(seen[i], nullptr);
    EXPECT_EQ(seen[i]->oid, 100u + i);
  }
}

TEST_F(PoolRace, NoPickExceedsAKeysConcurrency) {
  publish(3, 1);
  std::atomic<int> held[4] = {};
  std::atomic<int> exceeded = 0, taken = 0;
  const std::uint32_t first = pool_.group(group_).first;
  in_threads([&](int thread) {
    Random random(thread);
    for (int round = 0; round < 3000; ++round) {
      const std::uint32_t slot = take(random);
      if (slot == kNone) continue;
      ++taken;
      if (++held[slot - first] > 1) ++exceeded;
      --held[slot - first];
      give_back(slot, random);
    }
  });
  EXPECT_EQ(exceeded, 0);
  EXPECT_GT(taken, 0);
  for (const Slot& slot : pool_.slots_of(pool_.group(group_))) EXPECT_EQ(slot.usage.in_flight, 0u);
}

TEST_F(PoolRace, EveryPickIsCounted) {
  publish(4, 0);
  in_threads([&](int thread) {
    Random random(thread);
    for (int round = 0; round < 2000; ++round) ASSERT_NE(take(random), kNone);
  });
  std::uint64_t picks = 0;
  for (const Slot& slot : pool_.slots_of(pool_.group(group_))) picks += slot.usage.picks;
  EXPECT_EQ(picks, 2000u * kThreads);
}

}  // namespace
}  // namespace keypool::core
