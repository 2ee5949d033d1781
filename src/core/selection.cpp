#include "core/selection.hpp"

#include <algorithm>
#include <cmath>

#include "core/health.hpp"

namespace keypool::core {

namespace {

constexpr double kTurn = 0x1p24;  // one turn of a key of weight 1

// Scores that fall while nothing happens are looked at again after this time.
constexpr Micros kUsageRefresh = kSecond;

std::int32_t day_of(Micros now) { return static_cast<std::int32_t>(now / kDay); }
Micros next_midnight(Micros now) { return (now / kDay + 1) * kDay; }

Standing limit_standing(Slot& slot, const Wish& wish, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  if (limits.requests_per_hour != 0) {
    const auto limit = static_cast<std::uint64_t>(limits.requests_per_hour);
    if (slot.hour.count(now) >= limit) {
      return {Blocked::kHourLimit, slot.hour.falls_to(now, limit - 1)};
    }
  }
  if (limits.requests_per_minute != 0) {
    const auto limit = static_cast<std::uint64_t>(limits.requests_per_minute);
    if (slot.minute.count(now) >= limit) {
      return {Blocked::kMinuteLimit, slot.minute.falls_to(now, limit - 1)};
    }
  }
  if (limits.tokens_per_minute != 0) {
    const auto limit = static_cast<std::uint64_t>(limits.tokens_per_minute);
    const std::uint64_t wanted = std::max<std::uint64_t>(wish.tokens, 1);
    if (wanted > limit) return {Blocked::kTokenLimit, kNever};
    if (slot.tokens_minute.count(now) + wanted > limit) {
      return {Blocked::kTokenLimit, slot.tokens_minute.falls_to(now, limit - wanted)};
    }
  }
  if (limits.concurrency != 0 &&
      slot.usage.in_flight >= static_cast<std::uint32_t>(limits.concurrency)) {
    return {Blocked::kConcurrency, kNever};
  }
  if (limits.cost_per_day_nano != 0) {
    const std::int64_t wanted = std::max<std::int64_t>(wish.cost_nano, 1);
    const std::int64_t spent = cost_today(slot.usage, now) + slot.usage.reserved_nano;
    if (spent > limits.cost_per_day_nano - wanted) {
      return {Blocked::kDailyCost, next_midnight(now)};
    }
  }
  return {};
}

Standing wish_standing(const Slot& slot, const Wish& wish, Micros now) {
  if (!wish.model.empty()) {
    const auto& rules = slot.config.models;
    const bool listed = std::any_of(rules.begin(), rules.end(), [&](ModelRule rule) {
      return rule != 0 && model_matches(rule, wish.model);
    });
    if (rules[0] != 0 && !listed) return {Blocked::kModel, kNever};
    Micros free_at = kNever;
    if (model_blocked(slot.health, text_hash(wish.model), now, free_at)) {
      return {Blocked::kModelBlocked, free_at};
    }
  }
  if (wish.region != 0 && slot.config.region != 0 && slot.config.region != wish.region) {
    return {Blocked::kRegion, kNever};
  }
  if (std::find(wish.exclude.begin(), wish.exclude.end(), slot.config.key_id) !=
      wish.exclude.end()) {
    return {Blocked::kExcluded, kNever};
  }
  return {};
}

double share_used(Slot& slot, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  double used = 0;
  const auto consider = [&used](double count, double limit) {
    if (limit > 0) used = std::max(used, count / limit);
  };
  consider(static_cast<double>(slot.hour.count(now)), limits.requests_per_hour);
  consider(static_cast<double>(slot.minute.count(now)), limits.requests_per_minute);
  consider(static_cast<double>(slot.tokens_minute.count(now)), limits.tokens_per_minute);
  consider(slot.usage.in_flight, limits.concurrency);
  consider(static_cast<double>(cost_today(slot.usage, now) + slot.usage.reserved_nano),
           static_cast<double>(limits.cost_per_day_nano));
  return used;
}

// Latencies within a tenth of each other count as equal and take turns.
std::uint64_t latency_class(float milliseconds) {
  return milliseconds <= 0 ? 0 : static_cast<std::uint64_t>(8 * std::log2(1 + milliseconds) + 1);
}

Rank rank_of(Slot& slot, Strategy strategy, Micros now) {
  const std::uint64_t turn = slot.turn;
  switch (strategy) {
    case Strategy::kRoundRobin:
    case Strategy::kRandom:
      return {0, turn};
    case Strategy::kLeastUsed:
      return {slot.hour.count(now), turn};
    case Strategy::kCostOptimized:
      return {static_cast<std::uint64_t>(cost_today(slot.usage, now) + slot.usage.reserved_nano),
              turn};
    case Strategy::kSingle:
      return {0, 0};
    case Strategy::kLeastBusy:
      return {slot.usage.in_flight, turn};
    case Strategy::kLowestLatency:
      return {latency_class(slot.usage.latency_ms), turn};
    case Strategy::kUsageBased:
      return {static_cast<std::uint64_t>(share_used(slot, now) * 1e6), turn};
  }
  return {0, turn};
}

bool takes_turns(Strategy strategy) {
  return strategy == Strategy::kRoundRobin || strategy == Strategy::kRandom;
}

// Round robin by weight is stride scheduling: a key's next turn comes 1/weight later. Random by
// weight is the same with exponentially distributed strides: independent Poisson processes, whose
// next arrival belongs to a key with probability proportional to its weight, whatever came before.
std::uint64_t stride(const Slot& slot, Strategy strategy, Random& random) {
  const double mean = kTurn / slot.config.weight;
  return static_cast<std::uint64_t>(strategy == Strategy::kRandom ? mean * random.exponential()
                                                                  : mean) +
         1;
}

// A key that is new, or was out while others went on, takes its place among the present turns.
// Half a stride ahead spreads the turns of heavy keys between those of light ones.
void rejoin(const Group& group, Slot& slot, Strategy strategy, Random& random) {
  const bool behind = slot.turn == 0 || (takes_turns(strategy) && slot.turn < group.turn);
  if (!behind) return;
  const std::uint64_t step = stride(slot, strategy, random);
  slot.turn = group.turn + (strategy == Strategy::kRandom ? step : step / 2 + 1);
}

Rank place(Group& group, Slot& slot, Strategy strategy, const Moment& moment) {
  const Standing standing = standing_of(slot, Wish{}, moment.now);
  if (standing.blocked != Blocked::kNo) {
    group.wake_at = std::min(group.wake_at, standing.free_at);
    return kOut;
  }
  rejoin(group, slot, strategy, moment.random);
  return rank_of(slot, strategy, moment.now);
}

void rank_all(Pool& pool, Group& group, Strategy strategy, const Moment& moment) {
  group.wake_at = kNever;
  const std::span<Slot> slots = pool.slots_of(group);
  const std::span<Rank> ranks = pool.ranks_of(group);
  for (std::uint32_t i = 0; i < group.count; ++i) {
    ranks[i] = place(group, slots[i], strategy, moment);
    if (slots[i].config.expires_at > moment.now) {
      group.wake_at = std::min(group.wake_at, slots[i].config.expires_at);
    }
  }
  pool.tournament_of(group).build();
  if (strategy == Strategy::kUsageBased) {
    group.wake_at = std::min(group.wake_at, moment.now + kUsageRefresh);
  } else if (strategy == Strategy::kLeastUsed) {
    group.wake_at = std::min(group.wake_at, moment.now + HourWindow::kWidth);
  } else if (strategy == Strategy::kCostOptimized) {
    group.wake_at = std::min(group.wake_at, next_midnight(moment.now));
  }
}

bool is_plain(const Group& group, const Wish& wish) {
  return wish.exclude.empty() && wish.strategy == nullptr && wish.tokens == 0 &&
         wish.cost_nano == 0 && (!group.has_models || (wish.model.empty() && wish.region == 0));
}

std::uint32_t lowest_for(Pool& pool, Group& group, const Wish& wish, Strategy strategy,
                         Micros now) {
  const std::span<Slot> slots = pool.slots_of(group);
  std::uint32_t best = kNone;
  Rank best_rank = kOut;
  for (std::uint32_t i = 0; i < group.count; ++i) {
    if (standing_of(slots[i], wish, now).blocked != Blocked::kNo) continue;
    const Rank rank = rank_of(slots[i], strategy, now);
    if (best != kNone && !(rank < best_rank)) continue;
    best = i;
    best_rank = rank;
  }
  return best;
}

void reserve(Slot& slot, const Wish& wish, Micros now) {
  slot.hour.add(now, 1);
  slot.minute.add(now, 1);
  if (wish.tokens != 0) slot.tokens_minute.add(now, wish.tokens);
  if (wish.lease) {
    ++slot.usage.in_flight;
    slot.usage.reserved_nano += wish.cost_nano;
  }
  ++slot.usage.picks;
  slot.usage.last_used_at = now;
  slot.dirty = true;
  if (slot.health.state == KeyState::kHalfOpen) take_probe(slot.health, now);
}

}  // namespace

std::string_view describe(Blocked why) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Blocked::kCount)> kTexts =
      {"eligible",
       "provider disabled",
       "provider backing off",
       "disabled",
       "expired",
       "unhealthy",
       "cooling",
       "half open, probe under way",
       "rate_limit reached",
       "requests_per_minute reached",
       "tokens_per_minute reached",
       "max_concurrency reached",
       "daily_cost_limit reached",
       "not for this model",
       "model blocked for this key",
       "not for this region",
       "excluded by the caller"};
  return kTexts[static_cast<std::size_t>(why)];
}

Strategy strategy_of(const Provider& provider, const Wish& wish, const Moment& moment) {
  if (wish.strategy != nullptr) return *wish.strategy;
  return provider.config.has_strategy ? provider.config.strategy : moment.default_strategy;
}

Standing provider_standing(const Provider& provider, Micros now) noexcept {
  if (!provider.config.enabled) return {Blocked::kProviderDisabled, kNever};
  const Micros until = provider.backoff_until.load(std::memory_order_relaxed);
  if (until > now) return {Blocked::kProviderBusy, until};
  return {};
}

Standing standing_of(Slot& slot, const Wish& wish, Micros now) noexcept {
  if (!slot.config.enabled) return {Blocked::kDisabled, kNever};
  if (slot.config.expires_at <= now) return {Blocked::kExpired, kNever};
  settle(slot.health, now);
  if (slot.health.state == KeyState::kUnhealthy) return {Blocked::kUnhealthy, kNever};
  if (slot.health.state == KeyState::kCooling) {
    return {Blocked::kCooling, slot.health.cooldown_until};
  }
  if (slot.health.state == KeyState::kHalfOpen && slot.health.probes_left == 0) {
    return {Blocked::kProbing, slot.health.probe_window_end};
  }
  const Standing limited = limit_standing(slot, wish, now);
  if (limited.blocked != Blocked::kNo) return limited;
  return wish_standing(slot, wish, now);
}

double score_of(double turn, Slot& slot, std::uint32_t position, Strategy strategy,
                Micros now) noexcept {
  switch (strategy) {
    case Strategy::kRoundRobin:
    case Strategy::kRandom:
      return std::max(0.0, static_cast<double>(slot.turn) - turn) / kTurn;
    case Strategy::kLeastUsed:
      return static_cast<double>(slot.hour.count(now));
    case Strategy::kCostOptimized:
      return static_cast<double>(cost_today(slot.usage, now) + slot.usage.reserved_nano) / 1e9;
    case Strategy::kSingle:
      return position;
    case Strategy::kLeastBusy:
      return slot.usage.in_flight;
    case Strategy::kLowestLatency:
      return slot.usage.latency_ms;
    case Strategy::kUsageBased:
      return share_used(slot, now);
  }
  return 0;
}

std::uint32_t take_key(Pool& pool, Group& group, const Provider& provider, const Wish& wish,
                       const Moment& moment) noexcept {
  if (group.count == 0) return kNone;
  const Micros now = moment.now;
  const Strategy own = strategy_of(provider, Wish{}, moment);
  if (now >= group.wake_at) rank_all(pool, group, own, moment);

  std::uint32_t taken;
  if (is_plain(group, wish)) {
    const std::span<const Rank> ranks = pool.ranks_of(group);
    const bool stick = now < group.sticky_until && !is_out(ranks[group.sticky]);
    taken = stick ? group.sticky : pool.tournament_of(group).winner();
    if (is_out(ranks[taken])) return kNone;
    if (!stick && provider.config.rotation_interval != 0) {
      group.sticky = taken;
      group.sticky_until = now + provider.config.rotation_interval;
    }
  } else {
    taken = lowest_for(pool, group, wish, strategy_of(provider, wish, moment), now);
    if (taken == kNone) return kNone;
  }

  Slot& slot = pool.slot(group.first + taken);
  reserve(slot, wish, now);
  group.turn = std::max(group.turn, slot.turn);
  slot.turn += stride(slot, own, moment.random);
  group.last_used_at = now;
  pool.tournament_of(group).set(taken, place(group, slot, own, moment));
  return group.first + taken;
}

void rerank(Pool& pool, Group& group, const Provider& provider, std::uint32_t slot,
            const Moment& moment) noexcept {
  const Strategy own = strategy_of(provider, Wish{}, moment);
  if (group.wake_at == 0) return;  // never ranked yet: the first pick ranks all
  Slot& changed = pool.slot(slot);
  group.has_models |= changed.health.model_blocks[0].model != 0;
  pool.tournament_of(group).set(slot - group.first, place(group, changed, own, moment));
}

void return_lease(Slot& slot, const Lease& lease, bool unused) noexcept {
  if (slot.usage.in_flight != 0) --slot.usage.in_flight;
  slot.usage.reserved_nano = std::max<std::int64_t>(0, slot.usage.reserved_nano - lease.cost_nano);
  if (!unused) return;
  slot.hour.take_back(lease.acquired_at, 1);
  slot.minute.take_back(lease.acquired_at, 1);
  slot.tokens_minute.take_back(lease.acquired_at, lease.tokens);
}

std::int64_t cost_today(const Usage& usage, Micros now) noexcept {
  return usage.cost_day == day_of(now) ? usage.cost_today_nano : 0;
}

}  // namespace keypool::core
