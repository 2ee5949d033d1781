#include "core/standing.hpp"

#include <algorithm>
#include <limits>

#include "core/dollars.hpp"
#include "core/health.hpp"

namespace keypool::core {

namespace {

std::int32_t day_of(Micros now) { return static_cast<std::int32_t>(now / kDay); }

template <typename Window>
Standing count_standing(Window& window, std::int32_t limit, Blocked why, Micros now) {
  if (limit == 0) return {};
  const auto most = static_cast<std::uint32_t>(limit);
  const std::uint32_t count = window.count(now);
  if (count < most) return {};
  return {why, window.falls_to(now, most - 1), {.used = count, .limit = limit}};
}

Standing token_standing(Slot& slot, const Wish& wish, Micros now) {
  if (slot.config.limits.tokens_per_minute == 0) return {};
  const auto limit = static_cast<std::uint32_t>(slot.config.limits.tokens_per_minute);
  const std::uint64_t wanted = std::max<std::uint64_t>(wish.tokens, 1);
  const std::uint64_t count = slot.tokens_minute.count(now);
  if (count + wanted <= limit) return {};
  return {Blocked::kTokenLimit,
          wanted > limit ? kNever : slot.tokens_minute.falls_to(now, limit - wanted),
          {.used = static_cast<std::int64_t>(count), .limit = limit, .wanted = wish.tokens}};
}

Standing told_standing(ToldLimits& told, const Wish& wish, Micros now) {
  if (told.requests.left(now) == 0) {
    return {Blocked::kToldRequests, told.requests.allows_at(now, 1)};
  }
  const std::uint32_t wanted = std::max<std::uint32_t>(wish.tokens, 1);
  const std::uint32_t left = told.tokens.left(now);
  if (left >= wanted) return {};
  return {Blocked::kToldTokens,
          told.tokens.allows_at(now, wanted),
          {.limit = left, .wanted = wish.tokens}};
}

Standing concurrency_standing(const Slot& slot) {
  const std::int32_t limit = slot.config.limits.concurrency;
  if (limit == 0 || slot.usage.in_flight < static_cast<std::uint32_t>(limit)) return {};
  return {Blocked::kConcurrency, kNever, {.used = slot.usage.in_flight, .limit = limit}};
}

Standing cost_standing(const Slot& slot, const Wish& wish, Micros now) {
  const std::int64_t limit = slot.config.limits.cost_per_day_nano;
  if (limit == 0) return {};
  const std::int64_t wanted = std::max<std::int64_t>(wish.cost_nano, 1);
  const bool never = wanted > limit;
  if (!never && committed_today(slot.usage, now) <= limit - wanted) return {};
  return {Blocked::kDailyCost,
          never ? kNever : next_midnight(now),
          {.used = cost_today(slot.usage, now),
           .reserved = slot.usage.reserved_nano,
           .limit = limit,
           .wanted = wish.cost_nano}};
}

Standing limit_standing(Slot& slot, const Wish& wish, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  Standing standing = count_standing(slot.hour, limits.requests_per_hour, Blocked::kHourLimit, now);
  const auto go_on = [&standing] { return standing.blocked == Blocked::kNo; };
  if (go_on()) {
    standing = count_standing(slot.minute, limits.requests_per_minute, Blocked::kMinuteLimit, now);
  }
  if (go_on()) standing = token_standing(slot, wish, now);
  if (go_on()) standing = told_standing(slot.told, wish, now);
  if (go_on()) standing = concurrency_standing(slot);
  if (go_on()) standing = cost_standing(slot, wish, now);
  return standing;
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
       "told by the provider that no requests are left",
       "told by the provider that too few tokens are left",
       "max_concurrency reached",
       "daily_cost_limit reached",
       "not for this model",
       "model blocked for this key",
       "not for this region",
       "excluded by the caller",
       "refused by a budget"};
  return kTexts[static_cast<std::size_t>(why)];
}

std::string figures_text(const Standing& standing) {
  const Figures& figures = standing.figures;
  const auto count = [](std::int64_t number) { return std::to_string(number); };
  std::string wanted = figures.wanted != 0 ? ", " + count(figures.wanted) + " wanted" : "";
  switch (standing.blocked) {
    case Blocked::kHourLimit:
    case Blocked::kMinuteLimit:
    case Blocked::kTokenLimit:
      return count(figures.used) + " of " + count(figures.limit) + wanted;
    case Blocked::kToldTokens:
      return count(figures.limit) + " left" + wanted;
    case Blocked::kConcurrency:
      return count(figures.used) + " of " + count(figures.limit) + " in flight";
    case Blocked::kDailyCost:
      if (figures.wanted != 0) wanted = ", " + dollars(figures.wanted) + " wanted";
      return dollars(figures.used) + " spent and " + dollars(figures.reserved) + " reserved of " +
             dollars(figures.limit) + wanted;
    default:
      return "";
  }
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
