// Picks, leases and reports under the shared lock while others publish and evict under the
// exclusive one: nothing is lost and nothing is counted twice.
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/health.hpp"
#include "core/publish.hpp"
#include "core/selection.hpp"
#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr int kThreads = 4;
constexpr int kPublications = 300;
constexpr std::int64_t kKeys = 6;
constexpr std::int64_t kLimited = 3;  // the key with a limit an hour
constexpr int kHourLimit = 500;

// As fair to a writer as an LWLock: who comes after a waiting writer waits behind it.
class FairLock {
 public:
  void lock() {
    const std::lock_guard turn(turn_);
    lock_.lock();
  }
  void unlock() { lock_.unlock(); }
  void lock_shared() {
    const std::lock_guard turn(turn_);
    lock_.lock_shared();
  }
  void unlock_shared() { lock_.unlock_shared(); }

 private:
  std::mutex turn_;
  std::shared_mutex lock_;
};

class PublishRace : public ::testing::Test {
 protected:
  PublishRace() { publish(); }

  void publish() {
    std::vector<KeyRow> rows;
    for (std::int64_t id = 1; id <= kKeys; ++id) {
      rows.push_back(key_row(id));
      if (id == kLimited) rows.back().slot.config.limits.requests_per_hour = kHourLimit;
    }
    all.mirror({provider_row("openai")}, rows);
  }

  // Calls body(pool index of the slot) with everything locked that guards it.
  template <typename Body>
  void with_key(std::int64_t key_id, Micros now, Random& random, Body body) {
    const std::shared_lock guard(lock);
    const std::uint32_t index = all.pool.find_slot(kTestDatabase, key_id);
    if (index == kNone) return;
    Slot& slot = all.pool.slot(index);
    Group& group = all.pool.group(slot.group);
    Provider& provider = all.pool.provider(group.provider);
    const std::lock_guard group_guard(group.lock);
    body(slot, provider);
    rerank(all.pool, group, provider, index, {now, Strategy::kRoundRobin, random});
  }

  // The lease taken with the key; id 0 when there was none.
  Lease acquire(OwnerKind kind, std::string_view owner, Micros now, Random& random) {
    const std::shared_lock guard(lock);
    const std::uint32_t index = all.find(kind, owner);
    if (index == kNone) return {};
    Group& group = all.pool.group(index);
    const std::lock_guard group_guard(group.lock);
    const Provider& provider = all.pool.provider(group.provider);
    const std::uint32_t taken =
        take_key(all.pool, group, provider, {.lease = true}, {now, Strategy::kRoundRobin, random});
    if (taken == kNone) return {};
    Lease lease = {.key_id = all.pool.slot(taken).config.key_id,
                   .database = kTestDatabase,
                   .acquired_at = now,
                   .expires_at = kNever};
    lease.id = all.pool.leases().put(lease);
    return lease;
  }

  void work(int thread) {
    Random random(static_cast<std::uint64_t>(thread) + 1);
    for (int round = 0; !done; ++round) {
      // All within the hour of the limit, and back and forth between the threads.
      const Micros now = kStart + round * kMillisecond;
      const std::string user = "user" + std::to_string(random.next() % 40);
      acquire(OwnerKind::kUser, user, now, random);
      const Lease held = acquire(OwnerKind::kSystem, "", now, random);
      if (held.key_id == 0) continue;
      ++picks;
      if (held.key_id == kLimited) ++picks_of_limited;
      const bool fails = random.next() % 16 == 0;
      with_key(held.key_id, now, random, [&](Slot& slot, Provider& provider) {
        if (fails) {
          note_failure(slot, provider, {.kind = FailureClass::kTransient}, now, random);
        } else {
          note_success(slot, provider, now);
        }
      });
      const auto lease = all.pool.leases().take(held.id, kTestDatabase);
      if (!lease) continue;
      with_key(lease->key_id, now, random,
               [&lease](Slot& slot, Provider&) { return_lease(slot, *lease, false); });
    }
  }

  void publish_and_evict() {
    Random random(99);
    std::int64_t id = 1'000;
    for (int i = 0; i < kPublications; ++i) {
      const std::unique_lock guard(lock);
      publish();
      for (int users = 0; users < 5; ++users) {
        const std::string user = "user" + std::to_string(random.next() % 40);
        ++id;
        all.user(user, {user_key(id, user), user_key(id + 1'000'000, user)}, kStart + id);
      }
    }
    done = true;
  }

  TestPool all{{32, 1 << 16}};
  FairLock lock;
  std::atomic<std::uint64_t> picks{0};
  std::atomic<int> picks_of_limited{0};
  std::atomic<bool> done{false};
};

TEST_F(PublishRace, TotalsAreExactAndLimitsHold) {
  std::vector<std::thread> workers;
  for (int i = 0; i < kThreads; ++i) workers.emplace_back([this, i] { work(i); });
  std::thread publisher([this] { publish_and_evict(); });
  publisher.join();
  for (std::thread& worker : workers) worker.join();

  std::uint64_t counted = 0;
  for (std::int64_t id = 1; id <= kKeys; ++id) {
    counted += all.slot(id).usage.picks;
    EXPECT_EQ(all.slot(id).usage.in_flight, 0u) << id;
  }
  EXPECT_EQ(counted, picks.load());
  EXPECT_GT(counted, 0u);
  EXPECT_LE(picks_of_limited.load(), kHourLimit);
  EXPECT_GT(all.pool.evictions(), 0u);
  EXPECT_LE(all.provider().health.failing, all.provider().health.keys);
}

}  // namespace
}  // namespace keypool::core
