#include "core/alert_words.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/budget_alert.hpp"
#include "core/limit_alert.hpp"
#include "core/phrases.hpp"
#include "core/rotation_alert.hpp"
#include "core/tracking_alert.hpp"

namespace keypool::core {

namespace {

using Json = nlohmann::json;

std::string code_of(const KeyFact& key) {
  return {key.code.begin(), std::find(key.code.begin(), key.code.end(), '\0')};
}

std::string words_for(FailureClass failure) {
  switch (failure) {
    case FailureClass::kCredential:
      return "the provider does not accept it";
    case FailureClass::kQuota:
      return "the account behind it has no quota left";
    case FailureClass::kRegionBlocked:
      return "the provider refuses this server's region";
    default:
      return std::string(name(failure));
  }
}

AlertText key_unhealthy(const KeyFact& key, const OwnerFact& owner) {
  const std::string code = code_of(key);
  AlertText text;
  text.message = "is unhealthy: " + words_for(key.failure);
  Json details = {{"class", name(key.failure)}, {"key_source", name(owner.kind)}};
  std::string answer;
  if (key.http_status != 0) {
    details["http_status"] = key.http_status;
    answer = std::to_string(key.http_status);
  }
  if (!code.empty()) {
    details["error_code"] = code;
    answer += (answer.empty() ? "" : " ") + code;
  }
  if (!answer.empty()) text.message += " (" + answer + ")";
  text.details = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text;
}

AlertText error_rate(const KeyFact& key, const OwnerFact& owner, double limit) {
  const double rate = static_cast<double>(key.errors) / key.requests;
  AlertText text;
  text.message = "fails too often: " + std::to_string(key.errors) + " of its last " +
                 std::to_string(key.requests) + " requests (" + percent(rate) +
                 ", keypool.error_rate_alert is " + percent(limit) + ")";
  text.details = Json{{"requests", key.requests},
                      {"errors", key.errors},
                      {"error_rate", std::round(rate * 1e4) / 1e4},
                      {"limit", limit},
                      {"key_source", name(owner.kind)}}
                     .dump();
  return text;
}

AlertText unused_key(const KeyFact& key, const OwnerFact& owner, Micros limit, Micros now) {
  const Micros unused = now - unused_since(key);
  AlertText text;
  text.message =
      std::string(key.last_used_at == 0 ? "has never been used in " : "has not been used for ") +
      duration(unused) + " while other keys of its owner were";
  text.details = Json{{"unused_seconds", unused / kSecond},
                      {"limit_seconds", limit / kSecond},
                      {"key_source", name(owner.kind)}}
                     .dump();
  return text;
}

// How many keys are out for which reason.
struct Absence {
  std::string_view reason;
  Blocked blocked;
  std::string_view words;
  int keys = 0;
};

AlertText pool_exhausted(const OwnerFact& owner, const ProviderFact& provider, Micros now) {
  Absence absences[] = {{"unhealthy", Blocked::kUnhealthy, "unhealthy"},
                        {"cooling", Blocked::kCooling, "cooling"},
                        {"expired", Blocked::kExpired, "expired"},
                        {"daily_cost_limit", Blocked::kDailyCost, "over its daily_cost_limit"}};
  int keys = 0;
  Micros first_back = kNever;
  for (const KeyFact& key : owner.keys) {
    if (!key.enabled) continue;
    ++keys;
    first_back = std::min(first_back, key.standing.free_at);
    for (Absence& absence : absences) absence.keys += absence.blocked == key.standing.blocked;
  }
  Json details = {{"keys", keys}, {"key_source", name(owner.kind)}};
  if (!owner.owner.empty()) details["owner"] = owner.owner;
  std::string reasons;
  for (const Absence& absence : absences) {
    details[absence.reason] = absence.keys;
    if (absence.keys == 0) continue;
    if (!reasons.empty()) reasons += ", ";
    reasons.append(std::to_string(absence.keys)).append(" ").append(absence.words);
  }
  AlertText text;
  text.message =
      owner.kind == OwnerKind::kSystem ? "no system key" : "no key of organization " + owner.owner;
  text.message += " for " + provider.name + " can be picked: " + reasons;
  if (first_back != kNever) {
    details["seconds_until_next"] = seconds_until(first_back, now);
    text.message += "; the next one is back in " + duration(first_back - now);
  }
  text.details = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text;
}

AlertText provider_outage(const ProviderFact& provider, Micros now) {
  AlertText text;
  text.message = provider.outage ? provider.name + " is out of order: most of its keys fail"
                                 : provider.name + " is overloaded and is left alone for now";
  text.details = Json{{"reason", provider.outage ? "most_keys_fail" : "overloaded"},
                      {"keys", provider.keys},
                      {"seconds_until_next", seconds_until(provider.backoff_until, now)}}
                     .dump();
  return text;
}

AlertText about_key(AlertText text, const KeyFact& key, const ProviderFact& provider,
                    const KeyLabel& label) {
  text.message = "key " + std::to_string(key.key_id) + " " + provider.name + "/" + label.name +
                 " (" + label.hint + ") " + text.message;
  return text;
}

}  // namespace

AlertText describe_alert(const Cause& cause, const PoolFacts& facts, const KeyLabel& label,
                         const AlertLimits& limits, Micros now) {
  if (cause.identity.kind == AlertKind::kTrackingQuality) return describe_tracking(facts.tracking);
  if (cause.budget != kNoIndex) {
    return describe_budget(cause.identity.kind, facts.budgets[cause.budget], limits.cost, now);
  }
  if (cause.rotation != kNoIndex) {
    return describe_rotation(facts.rotations[cause.rotation], label, now);
  }
  const ProviderFact& provider = facts.providers[cause.provider];
  if (cause.identity.kind == AlertKind::kProviderOutage) return provider_outage(provider, now);
  const OwnerFact& owner = facts.owners[cause.owner];
  if (cause.identity.kind == AlertKind::kPoolExhausted) return pool_exhausted(owner, provider, now);
  const KeyFact& key = owner.keys[cause.key];
  switch (cause.identity.kind) {
    case AlertKind::kErrorRate:
      return about_key(error_rate(key, owner, limits.error_rate), key, provider, label);
    case AlertKind::kRateLimit:
      return about_key(describe_limit(key, owner, limits.rate_limit, now), key, provider, label);
    case AlertKind::kUnusedKey:
      return about_key(unused_key(key, owner, limits.unused, now), key, provider, label);
    default:
      return about_key(key_unhealthy(key, owner), key, provider, label);
  }
}

}  // namespace keypool::core
