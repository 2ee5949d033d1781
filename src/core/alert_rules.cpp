#include "core/alert_rules.hpp"

#include <algorithm>
#include <utility>

#include "core/budget_alert.hpp"
#include "core/limit_alert.hpp"
#include "core/rotation_alert.hpp"
#include "core/tracking_alert.hpp"

namespace keypool::core {

namespace {

constexpr std::string_view kKindNames[] = {
    "key_unhealthy",    "pool_exhausted", "error_rate",     "unused_key",   "provider_outage",
    "tracking_quality", "rate_limit",     "budget_warning", "budget_spent", "rotation_due"};
constexpr std::string_view kSeverityNames[] = {"info", "warning", "critical"};

template <typename Value, std::size_t kCount>
std::optional<Value> value_named(const std::string_view (&names)[kCount], std::string_view text) {
  const auto found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Value>(found - std::begin(names));
}

std::string subject_of(const KeyFact& key) { return "key:" + std::to_string(key.key_id); }

std::string subject_of(const ProviderFact& provider) { return "provider:" + provider.name; }

std::string subject_of(const ProviderFact& provider, const OwnerFact& owner) {
  std::string subject = subject_of(provider);
  if (owner.kind == OwnerKind::kSystem) return subject;
  return subject.append("/").append(name(owner.kind)).append(":").append(owner.owner);
}

// When a key that health or money keeps out comes back; 0: it is in. A limit on requests that is
// reached means that the key works hard, not that it fails.
Micros back_at(const KeyFact& key) {
  switch (key.standing.blocked) {
    case Blocked::kExpired:
    case Blocked::kUnhealthy:
      return kNever;
    case Blocked::kCooling:
    case Blocked::kDailyCost:
      return key.standing.free_at;
    default:
      return 0;
  }
}

bool is_expired(const KeyFact& key, Micros now) { return key.expires_at <= now; }

Severity severity_of(FailureClass failure) {
  // A key that is refused works again only when somebody replaces it.
  return failure == FailureClass::kCredential ? Severity::kCritical : Severity::kWarning;
}

class Judge {
 public:
  Judge(const PoolFacts& facts, const OpenAlerts& open, const AlertLimits& limits,
        const AlertMoment& at)
      : facts_(facts), open_(open), limits_(limits), at_(at) {
    rates_open_ = any_open(AlertKind::kErrorRate);
    limits_open_ = any_open(AlertKind::kRateLimit);
  }

  Judgement judge() {
    for (std::size_t i = 0; i < facts_.providers.size(); ++i) judge_provider(i);
    for (std::size_t i = 0; i < facts_.owners.size(); ++i) {
      const OwnerFact& owner = facts_.owners[i];
      if (!facts_.providers[owner.provider].enabled) continue;
      for (std::size_t k = 0; k < owner.keys.size(); ++k) judge_key(i, k);
      // Users may be millions; their groups come and go with their use.
      if (owner.kind == OwnerKind::kUser) continue;
      judge_supply(i);
      judge_use(i);
    }
    if (auto cause = judge_tracking(facts_.tracking, open_)) {
      judgement_.causes.push_back(std::move(*cause));
    }
    for (std::size_t i = 0; i < facts_.budgets.size(); ++i) {
      for (Cause& cause : judge_budget(facts_.budgets[i], i, open_, limits_.cost)) {
        judgement_.causes.push_back(std::move(cause));
      }
    }
    for (std::size_t i = 0; i < facts_.rotations.size(); ++i) {
      if (auto cause = judge_rotation(facts_.rotations[i], i, open_, at_.now)) {
        judgement_.causes.push_back(std::move(*cause));
      }
    }
    return std::move(judgement_);
  }

 private:
  struct Place {
    std::size_t provider;
    std::size_t owner = kNoIndex;
    std::size_t key = kNoIndex;
  };

  bool any_open(AlertKind kind) const {
    const auto first = open_.lower_bound({kind, {}});
    return first != open_.end() && first->first.kind == kind;
  }

  bool remembers_nothing() const { return at_.now < at_.watching_since + kMemoryGap; }

  void look_again(Micros when) {
    if (when > at_.now) judgement_.look_again = std::min(judgement_.look_again, when);
  }

  // True: an alert should be open.
  bool add(AlertKind kind, Strength strength, Severity severity, std::string subject,
           const Place& place) {
    AlertIdentity identity{kind, std::move(subject)};
    const auto shown = severity_to_show(open_, identity, strength, severity);
    if (!shown) return false;
    judgement_.causes.push_back(
        {std::move(identity), *shown, place.provider, place.owner, place.key});
    return true;
  }

  void judge_provider(std::size_t index) {
    const ProviderFact& provider = facts_.providers[index];
    if (!provider.enabled || provider.keys == 0) return;
    const Micros over_at = provider.backoff_until + limits_.silence;
    const bool over = at_.now >= over_at;
    Strength strength = Strength::kNone;
    if ((provider.outage && !over) || provider.backoff_until - at_.now >= kBrief) {
      strength = Strength::kRaises;
    } else if (provider.backoff != 0 && !over) {
      strength = Strength::kKeeps;
    } else if (provider.backoff_until == 0 && !provider.answered && remembers_nothing()) {
      strength = Strength::kKeeps;
    }
    const Severity severity = provider.outage ? Severity::kCritical : Severity::kWarning;
    if (!add(AlertKind::kProviderOutage, strength, severity, subject_of(provider), {index})) return;
    look_again(provider.backoff_until);
    look_again(over_at);
    look_again(at_.watching_since + kMemoryGap);
  }

  void judge_key(std::size_t owner_index, std::size_t key_index) {
    const OwnerFact& owner = facts_.owners[owner_index];
    const KeyFact& key = owner.keys[key_index];
    if (!key.enabled || is_expired(key, at_.now)) return;
    if (key.expires_at != kNever) look_again(key.expires_at);
    const Place place = {owner.provider, owner_index, key_index};
    if (key.state == KeyState::kUnhealthy) {
      add(AlertKind::kKeyUnhealthy, Strength::kRaises, severity_of(key.failure), subject_of(key),
          place);
    }
    judge_error_rate(key, place);
    judge_limits(key, place);
  }

  void judge_limits(const KeyFact& key, const Place& place) {
    LimitUse use = fullest_limit(key, limits_.rate_limit);
    const Micros remembered_at = at_.watching_since + kMemoryGap;
    if (use.strength == Strength::kNone && limits_open_ && remembers_nothing() &&
        limits_are_forgotten(key)) {
      use = {Strength::kKeeps, use.which, remembered_at};
    }
    if (use.strength == Strength::kNone) return;
    if (add(AlertKind::kRateLimit, use.strength, Severity::kWarning, subject_of(key), place)) {
      look_again(use.over_at != kNever ? use.over_at : (at_.now / kMinute + 1) * kMinute);
    }
  }

  void judge_error_rate(const KeyFact& key, const Place& place) {
    if (key.errors != 0)
      look_again((at_.now / RecentOutcomes::kPeriod + 1) * RecentOutcomes::kPeriod);
    Strength strength = Strength::kNone;
    if (key.errors > limits_.error_rate * key.requests) {
      strength = key.requests >= kFewestOutcomes ? Strength::kRaises : Strength::kKeeps;
    } else if (key.requests == 0 && rates_open_ && remembers_nothing()) {
      strength = Strength::kKeeps;
      look_again(at_.watching_since + kMemoryGap);
    }
    if (strength == Strength::kNone) return;
    add(AlertKind::kErrorRate, strength, Severity::kWarning, subject_of(key), place);
  }

  // No key left that could be picked.
  void judge_supply(std::size_t index) {
    const OwnerFact& owner = facts_.owners[index];
    bool any = false;
    bool any_proven = false;  // in, and not just being tried
    Micros first_back = kNever;
    Micros proven_at = kNever;
    for (const KeyFact& key : owner.keys) {
      if (!key.enabled) continue;
      any = true;
      const Micros back = back_at(key);
      first_back = std::min(first_back, back);
      if (back != 0) continue;
      const Micros proven = key.cooldown_until + kProbation;
      const bool on_probation = key.state == KeyState::kHalfOpen && at_.now < proven;
      any_proven |= !on_probation;
      if (on_probation) proven_at = std::min(proven_at, proven);
    }
    if (!any || any_proven) return;
    const bool lasts = first_back == kNever || first_back - at_.now >= kBrief;
    if (!add(AlertKind::kPoolExhausted, lasts ? Strength::kRaises : Strength::kKeeps,
             Severity::kCritical, subject_of(facts_.providers[owner.provider], owner),
             {owner.provider, index})) {
      return;
    }
    look_again(first_back);
    look_again(proven_at);
  }

  // Keys left aside. That others were used proves it only if they were so long enough after this
  // one was last: when all use stops, nobody is left aside. So the clock alone raises nothing here.
  void judge_use(std::size_t index) {
    const OwnerFact& owner = facts_.owners[index];
    if (limits_.unused == 0) return;
    Micros latest = 0;
    for (const KeyFact& key : owner.keys) latest = std::max(latest, key.last_used_at);
    for (std::size_t k = 0; k < owner.keys.size(); ++k) {
      const KeyFact& key = owner.keys[k];
      const bool usable =
          key.enabled && !is_expired(key, at_.now) && key.state != KeyState::kUnhealthy;
      const Micros since = unused_since(key);
      if (!usable || latest - since < limits_.unused) continue;
      if (since == 0) {
        judgement_.ages_needed.push_back(key.key_id);
      } else {
        add(AlertKind::kUnusedKey, Strength::kRaises, Severity::kInfo, subject_of(key),
            {owner.provider, index, k});
      }
    }
  }

  const PoolFacts& facts_;
  const OpenAlerts& open_;
  const AlertLimits& limits_;
  const AlertMoment at_;
  bool rates_open_;
  bool limits_open_;
  Judgement judgement_;
};

}  // namespace

std::string_view name(AlertKind kind) noexcept {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::optional<AlertKind> alert_kind_from_name(std::string_view text) noexcept {
  return value_named<AlertKind>(kKindNames, text);
}

std::string_view name(Severity severity) noexcept {
  return kSeverityNames[static_cast<std::size_t>(severity)];
}

std::optional<Severity> severity_from_name(std::string_view text) noexcept {
  return value_named<Severity>(kSeverityNames, text);
}

std::optional<Severity> severity_to_show(const OpenAlerts& open, const AlertIdentity& identity,
                                         Strength strength, Severity severity) {
  if (strength == Strength::kNone) return std::nullopt;
  const auto found = open.find(identity);
  const bool raises = strength == Strength::kRaises;
  if (found == open.end()) return raises ? std::optional(severity) : std::nullopt;
  return raises ? std::max(severity, found->second.severity) : found->second.severity;
}

Judgement judge_alerts(const PoolFacts& facts, const OpenAlerts& open, const AlertLimits& limits,
                       const AlertMoment& at) {
  return Judge(facts, open, limits, at).judge();
}

Micros unused_since(const KeyFact& key) noexcept {
  return std::max({key.last_used_at, key.rotated_at, key.created_at});
}

}  // namespace keypool::core
