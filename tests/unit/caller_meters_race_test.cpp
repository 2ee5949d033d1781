// Picks of many callers at once, with the lock held as store/caller_limits.cpp does it.
#include "core/caller_meters.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr int kThreads = 4;
constexpr Micros kNow = 800'000'000 * kSecond;

class CallerMetersRace : public testing::Test {
 protected:
  static constexpr std::uint32_t kCapacity = 64;

  CallerMetersRace()
      : memory_(new std::uint64_t[CallerMeters::bytes_for(kCapacity) / 8 + 1]()),
        meters_(CallerMeters::create(memory_.get(), kCapacity)) {}

  Admission pick(std::span<const LimitedCaller> callers, Micros now) {
    {
      const std::shared_lock guard(lock_);
      const CallerVerdict verdict = meters_.admit(callers, now);
      if (verdict.admission != Admission::kNoMeter) return verdict.admission;
    }
    const std::unique_lock guard(lock_);
    if (!meters_.add(callers, now)) return Admission::kNoMeter;
    return meters_.admit(callers, now).admission;
  }

  std::unique_ptr<std::uint64_t[]> memory_;
  CallerMeters meters_;
  std::shared_mutex lock_;
};

template <typename Body>
void in_threads(Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Roles and users are asked for crosswise: whoever locks them in another order stands still here.
TEST_F(CallerMetersRace, RolesAndUsersGetWhatTheirLimitsAllowAndNoMore) {
  constexpr std::uint32_t kOfRole = 1000;
  constexpr std::uint32_t kOfUser = 400;
  std::atomic<std::uint32_t> by_role[4] = {};
  std::atomic<std::uint32_t> by_user[8] = {};
  in_threads([&](int thread) {
    for (int i = 0; i < 5000; ++i) {
      const int role = (i + thread) % 4;
      const int user = (i / 4 + thread * 3) % 8;
      const std::string role_name = "role" + std::to_string(role);
      const std::string user_name = "user" + std::to_string(user);
      const LimitedCaller callers[] = {{{1, 1, CallerScope::kRole, role_name}, {kOfRole, 0}},
                                       {{1, 1, CallerScope::kUser, user_name}, {0, kOfUser}}};
      if (pick(callers, kNow) != Admission::kAdmitted) continue;
      ++by_role[role];
      ++by_user[user];
    }
  });
  std::uint32_t total = 0;
  for (const auto& count : by_role) {
    EXPECT_LE(count, kOfRole);
    total += count;
  }
  for (const auto& count : by_user) EXPECT_LE(count, kOfUser);
  // Nobody was refused while he and his role had picks left.
  EXPECT_EQ(total, 8 * kOfUser);
}

// More callers than places: meters come and go, and no count is lost with one.
TEST_F(CallerMetersRace, LimitsHoldWhileMetersComeAndGo) {
  constexpr int kUsers = 300;
  constexpr std::uint32_t kLimit = 5;
  std::atomic<std::uint32_t> picked[kUsers][4] = {};
  std::atomic<int> without_meter = 0;
  // Each round lies beyond what the one before counts.
  for (int round = 0; round < 4; ++round) {
    const Micros now = kNow + round * 5 * kMinute;
    in_threads([&](int thread) {
      for (int i = 0; i < 4000; ++i) {
        const int user = (i * 7 + thread) % kUsers;
        const std::string name = "user" + std::to_string(user);
        const LimitedCaller caller = {{1, 1, CallerScope::kUser, name}, {kLimit, 0}};
        const Admission admission = pick({&caller, 1}, now);
        if (admission == Admission::kAdmitted) ++picked[user][round];
        if (admission == Admission::kNoMeter) ++without_meter;
        if (i % 1000 == 0) {
          const std::shared_lock guard(lock_);
          EXPECT_LE(meters_.readings(1, 1).size(), kCapacity);
        }
      }
    });
    std::uint32_t served = 0;
    for (const auto& user : picked) {
      EXPECT_LE(user[round], kLimit);
      served += user[round] == kLimit ? 1 : 0;
    }
    EXPECT_EQ(served, kCapacity);
  }
  EXPECT_GT(without_meter, 0);
}

}  // namespace
}  // namespace keypool::core
