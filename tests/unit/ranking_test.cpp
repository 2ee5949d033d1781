// The tournament against a plain look at every key, through whatever happens to the keys.
#include "core/ranking.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr int kKeys = 13;

class RankingTest : public ::testing::TestWithParam<Strategy> {
 protected:
  void reload() {
    std::vector<KeyRow> rows;
    for (int id = 1; id <= kKeys; ++id) {
      if (chance(6)) continue;
      rows.push_back(random_row(id));
    }
    if (rows.empty()) rows.push_back(random_row(1));
    ProviderRow provider = provider_row("openai", GetParam());
    if (chance(4)) provider.config.rotation_interval = 2 * kSecond;
    ASSERT_TRUE(all.mirror({provider}, rows, now));
  }

  KeyRow random_row(std::int64_t id) {
    KeyRow row = key_row(id);
    KeyConfig& config = row.slot.config;
    config.weight = 1 + static_cast<double>(below(4));
    config.enabled = !chance(10);
    if (chance(8)) config.expires_at = now + static_cast<Micros>(below(600)) * kSecond;
    if (chance(2)) config.limits.requests_per_minute = 1 + static_cast<int>(below(8));
    if (chance(3)) config.limits.requests_per_hour = 5 + static_cast<int>(below(60));
    if (chance(3)) config.limits.tokens_per_minute = 50 + static_cast<int>(below(200));
    if (chance(3)) config.limits.concurrency = 1 + static_cast<int>(below(3));
    if (chance(3)) config.limits.cost_per_day_nano = 100 + static_cast<std::int64_t>(below(500));
    if (chance(5)) config.models[0] = model_rule("gpt*");
    return row;
  }

  // The key that a look at all of them finds, 0 for none. Looks at copies.
  std::int64_t lowest(const Wish& wish) {
    std::int64_t best = 0;
    Rank best_rank = kOut;
    for (Slot slot : all.pool.slots_of(all.system_group())) {
      if (standing_of(slot, wish, now).blocked != Blocked::kNo) continue;
      const Rank rank = rank_of(slot, GetParam(), now);
      if (best != 0 && !(rank < best_rank)) continue;
      best = slot.config.key_id;
      best_rank = rank;
    }
    return best;
  }

  void expect_lowest(const Wish& wish) {
    Group& group = all.system_group();
    rank_if_due(all.pool, group, all.provider(), all.moment(now));
    const std::int64_t expected = lowest(wish);
    const bool sticky = all.provider().config.rotation_interval != 0;
    Slot stuck_to = {};
    if (group.sticky_since != 0) stuck_to = all.pool.slot(group.first + group.sticky);
    const std::int64_t taken = all.take(wish, now);
    if (taken != 0) {
      if (wish.lease)
        leases.push_back({.key_id = taken,
                          .tokens = wish.tokens,
                          .cost_nano = wish.cost_nano,
                          .acquired_at = now});
    }
    if (sticky && taken != 0 && taken == stuck_to.config.key_id) return;
    ASSERT_EQ(taken, expected);
  }

  void something_happens() {
    const Slot& slot = all.pool.slot(all.system_group().first + below(all.system_group().count));
    const std::int64_t id = slot.config.key_id;
    switch (below(8)) {
      case 0:
        all.succeed(id, now);
        break;
      case 1:
        all.fail(id, random_failure(), now);
        break;
      case 2:
        all.report(id, now, [this](Slot& changed, Provider& provider) {
          note_check_passed(changed, provider, now);
        });
        break;
      case 3:
        all.report(id, now, [this](Slot& changed, Provider&) {
          changed.usage.latency_ms = static_cast<float>(below(2'000));
        });
        break;
      case 4:
        all.report(id, now, [this](Slot& changed, Provider&) {
          const auto today = static_cast<std::int32_t>(now / kDay);
          if (changed.usage.cost_day != today) changed.usage.cost_today_nano = 0;
          changed.usage.cost_day = today;
          changed.usage.cost_today_nano += static_cast<std::int64_t>(below(60));
        });
        break;
      case 5:
        all.report(id, now, [this](Slot& changed, Provider&) {
          const auto left = static_cast<std::int64_t>(below(30));
          RateLimits limits = {.limit_requests = 30, .remaining_requests = left};
          limits.reset_requests_at = now + static_cast<Micros>(below(40)) * kSecond / 8;
          if (chance(2)) limits.remaining_tokens = 10 * left;
          if (chance(2)) limits.reset_tokens_at = limits.reset_requests_at;
          changed.told.tell(now, limits);
        });
        break;
      default:
        give_a_lease_back();
    }
  }

  Failure random_failure() {
    Failure failure = {.kind = static_cast<FailureClass>(below(10))};
    if (chance(2)) failure.retry_at = now + static_cast<Micros>(below(20)) * kSecond;
    if (chance(2)) failure.model = text_hash("gpt-4");
    failure.for_model = chance(4);
    return failure;
  }

  void give_a_lease_back() {
    if (leases.empty()) return;
    const Lease lease = leases.back();
    leases.pop_back();
    if (all.has(lease.key_id)) all.give_back(lease.key_id, lease, chance(2), now);
  }

  void time_passes() {
    constexpr Micros kScales[] = {0, kMillisecond, kSecond, 5 * kSecond, kMinute, kHour};
    const Micros scale = kScales[below(6)];
    now += static_cast<Micros>(all.random.uniform() * static_cast<double>(scale));
    if (chance(50)) now -= kSecond + static_cast<Micros>(below(100)) * kSecond;
    if (chance(500)) now -= 5 * kDay;
  }

  std::uint64_t below(std::uint64_t bound) { return dice.next() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }

  TestPool all{{64, 64}};
  Random dice{17};
  Micros now = kStart;
  std::vector<Lease> leases;
};

TEST_P(RankingTest, ATakeIsWhatALookAtEveryKeyFinds) {
  reload();
  const std::vector<std::int64_t> left_out = {3, 5, 7};
  for (int i = 0; i < 60'000 && !HasFatalFailure(); ++i) {
    SCOPED_TRACE(i);
    if (chance(200)) reload();
    time_passes();
    for (std::uint64_t events = below(3); events-- > 0;) something_happens();
    Wish wish = {.lease = chance(3)};
    if (chance(6)) wish.model = chance(2) ? "gpt-4" : "claude";
    if (chance(6)) wish.tokens = static_cast<std::uint32_t>(below(120));
    if (chance(6)) wish.cost_nano = static_cast<std::int64_t>(below(100));
    if (chance(6)) wish.exclude = left_out;
    // Among those the winner does not suit, chance decides.
    const bool plain =
        wish.model.empty() && wish.tokens == 0 && wish.cost_nano == 0 && wish.exclude.empty();
    if (GetParam() == Strategy::kRandom && !plain) {
      all.take(wish, now);
    } else {
      expect_lowest(wish);
    }
  }
}

TEST_P(RankingTest, NothingThatIsBlockedIsEverTaken) {
  reload();
  const std::vector<std::int64_t> left_out = {2, 4};
  for (int i = 0; i < 20'000; ++i) {
    if (chance(200)) reload();
    time_passes();
    something_happens();
    const auto other = static_cast<Strategy>(below(kStrategyNames.size()));
    Wish wish = {.lease = true};
    if (chance(3)) wish.strategy = &other;
    if (chance(3)) wish.model = "gpt-4";
    if (chance(3)) wish.exclude = left_out;
    std::vector<Slot> before(all.pool.slots_of(all.system_group()).begin(),
                             all.pool.slots_of(all.system_group()).end());
    const std::int64_t taken = all.take(wish, now);
    if (taken != 0) leases.push_back({.key_id = taken, .acquired_at = now});
    bool any = false;
    for (Slot& slot : before) {
      const bool free = standing_of(slot, wish, now).blocked == Blocked::kNo;
      any |= free;
      if (slot.config.key_id == taken) {
        ASSERT_TRUE(free) << i;
      }
    }
    ASSERT_EQ(taken != 0, any) << i;
  }
}

std::string strategy_name(const ::testing::TestParamInfo<Strategy>& strategy) {
  return std::string(name(strategy.param));
}

INSTANTIATE_TEST_SUITE_P(Each, RankingTest,
                         ::testing::Values(Strategy::kRoundRobin, Strategy::kLeastUsed,
                                           Strategy::kCostOptimized, Strategy::kRandom,
                                           Strategy::kSingle, Strategy::kLeastBusy,
                                           Strategy::kLowestLatency, Strategy::kUsageBased),
                         strategy_name);

}  // namespace
}  // namespace keypool::core
