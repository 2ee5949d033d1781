#include "core/limit_alert.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/dollars.hpp"
#include "core/phrases.hpp"

namespace keypool::core {

namespace {

struct LimitName {
  std::string_view column;  // of keypool.api_keys
  std::string_view words;
  bool momentary;
};
constexpr LimitName kNames[kKeyLimits] = {{"rate_limit", "requests an hour", false},
                                          {"requests_per_minute", "requests a minute", true},
                                          {"tokens_per_minute", "tokens a minute", true},
                                          {"max_concurrency", "requests at once", true},
                                          {"daily_cost_limit", "a day", false}};

const LimitName& name_of(KeyLimit which) { return kNames[static_cast<std::size_t>(which)]; }

double share_of(const LimitFact& limit) noexcept {
  return static_cast<double>(limit.used) / static_cast<double>(limit.limit);
}

Strength strength_of(const LimitFact& limit, bool momentary, double share) noexcept {
  if (limit.limit == 0 || share >= 1) return Strength::kNone;
  if (momentary) {
    if (limit.busy_minutes == 0) return Strength::kNone;
    return limit.busy_minutes >= kBusyMinutes ? Strength::kRaises : Strength::kKeeps;
  }
  if (is_busy(limit, share)) return Strength::kRaises;
  return is_busy(limit, share * kMilderShare) ? Strength::kKeeps : Strength::kNone;
}

std::string amount(KeyLimit which, std::int64_t value) {
  return which == KeyLimit::kDailyCost ? dollars(value) : std::to_string(value);
}

nlohmann::json figure(KeyLimit which, std::int64_t value) {
  if (which == KeyLimit::kDailyCost) return static_cast<double>(value) / 1e9;
  return value;
}

}  // namespace

LimitUse fullest_limit(const KeyFact& key, double share) noexcept {
  LimitUse fullest;
  double most = -1;
  for (std::size_t i = 0; i < kKeyLimits; ++i) {
    const LimitFact& limit = key.limits[i];
    const Strength strength = strength_of(limit, kNames[i].momentary, share);
    if (strength == Strength::kNone || strength < fullest.strength) continue;
    const double used = share_of(limit);
    if (strength == fullest.strength && used <= most) continue;
    most = used;
    fullest = {strength, static_cast<KeyLimit>(i), kNames[i].momentary ? kNever : limit.over_at};
  }
  return fullest;
}

bool is_busy(const LimitFact& limit, double share) noexcept {
  return limit.limit != 0 && share < 1 &&
         static_cast<double>(limit.used) >= share * static_cast<double>(limit.limit);
}

bool is_busy(const KeyFact& key, double share) noexcept {
  if (share >= 1) return false;
  for (std::size_t i = 0; i < kKeyLimits; ++i) {
    if (is_busy(key.limits[i], kNames[i].momentary ? share : share * kMilderShare)) return true;
  }
  return false;
}

bool limits_are_forgotten(const KeyFact& key) noexcept {
  bool any = false;
  bool unused = true;
  bool momentary = false;
  for (std::size_t i = 0; i < kKeyLimits; ++i) {
    const LimitFact& limit = key.limits[i];
    if (limit.limit == 0) continue;
    any = true;
    unused = unused && limit.used == 0;
    momentary = momentary || kNames[i].momentary;
  }
  return any && (unused || momentary);
}

AlertText describe_limit(const KeyFact& key, const OwnerFact& owner, double share, Micros now) {
  const LimitUse use = fullest_limit(key, share);
  const LimitFact& limit = key.limits[static_cast<std::size_t>(use.which)];
  const LimitName& name = name_of(use.which);
  const std::string most = amount(use.which, limit.limit) + " " + std::string(name.words);
  AlertText text;
  nlohmann::json details = {{"limit_name", name.column},
                            {"used", figure(use.which, limit.used)},
                            {"limit", figure(use.which, limit.limit)},
                            {"used_percent", std::round(share_of(limit) * 1e4) / 100},
                            {"alert_percent", std::round(share * 1e4) / 100},
                            {"key_source", core::name(owner.kind)}};
  if (name.momentary) {
    details["busy_minutes"] = limit.busy_minutes;
    text.message = "used " + percent(share) + " or more of its " + most + " in " +
                   std::to_string(limit.busy_minutes) + " of the last " +
                   std::to_string(kBusySpan) + " minutes (" + amount(use.which, limit.used) +
                   " just now)";
  } else {
    text.message = "has used " + amount(use.which, limit.used) + " of its " + most + " (" +
                   percent(share_of(limit)) + ", keypool.rate_limit_alert is " + percent(share) +
                   ")";
  }
  if (limit.over_at != kNever) {
    details["seconds_until_reset"] = seconds_until(limit.over_at, now);
    if (!name.momentary) {
      text.message += "; left alone, it is well below that in " + duration(limit.over_at - now);
    }
  }
  text.details = details.dump();
  return text;
}

void BusyMinutes::look(PoolFacts& facts, double share, Micros now) {
  const std::int64_t minute = now / kMinute;
  for (OwnerFact& owner : facts.owners) {
    for (KeyFact& key : owner.keys) note(key, share, minute);
  }
  std::erase_if(keys_, [minute](const auto& entry) {
    for (const Seen& seen : entry.second) {
      if (seen.bits != 0 && minute - seen.minute < kBusySpan) return false;
    }
    return true;
  });
}

void BusyMinutes::note(KeyFact& key, double share, std::int64_t minute) {
  const auto known = keys_.find(key.key_id);
  Minutes minutes = known != keys_.end() ? known->second : Minutes{};
  bool any = false;
  for (std::size_t i = 0; i < kKeyLimits; ++i) {
    if (!kNames[i].momentary) continue;
    Seen& seen = minutes[i];
    const std::int64_t passed = std::max<std::int64_t>(0, minute - seen.minute);
    unsigned bits = passed < kBusySpan ? unsigned{seen.bits} << passed : 0u;
    if (is_busy(key.limits[i], share)) bits |= 1u;
    seen = {minute, static_cast<std::uint8_t>(bits & ((1u << kBusySpan) - 1))};
    key.limits[i].busy_minutes = static_cast<std::uint8_t>(std::popcount(unsigned{seen.bits}));
    any = any || seen.bits != 0;
  }
  if (any) keys_[key.key_id] = minutes;
}

}  // namespace keypool::core
