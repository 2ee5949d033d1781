#include "core/standing.hpp"

#include <algorithm>
#include <limits>

#include "core/health.hpp"

namespace keypool::core {

namespace {

std::int32_t day_of(Micros now) { return static_cast<std::int32_t>(now / kDay); }

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
    if (wanted > limits.cost_per_day_nano) return {Blocked::kDailyCost, kNever};
    if (committed_today(slot.usage, now) > limits.cost_per_day_nano - wanted) {
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

std::int64_t cost_today(const Usage& usage, Micros now) noexcept {
  return usage.cost_day == day_of(now) ? usage.cost_today_nano : 0;
}

std::int64_t committed_today(const Usage& usage, Micros now) noexcept {
  std::int64_t sum = 0;
  const bool too_much = __builtin_add_overflow(cost_today(usage, now), usage.reserved_nano, &sum);
  return too_much ? std::numeric_limits<std::int64_t>::max() : sum;
}

Micros next_midnight(Micros now) noexcept { return (now / kDay + 1) * kDay; }

}  // namespace keypool::core
