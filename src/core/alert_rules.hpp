// Which alerts should be open now: a pure judgement of facts that were copied out of the pool.
//
// Each rule has two strengths. A cause that stands raises an alert; a milder form of it only keeps
// one open that was raised before, so that an alert does not come and go with every probe. What
// ends by itself within kBrief raises nothing.
//
// Plain values, no lock, no clock of its own. Throws nothing but std::bad_alloc. The texts are
// made by alert_words.hpp, the table is kept by worker/alerts.hpp.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/budget.hpp"
#include "core/health.hpp"
#include "core/selection.hpp"
#include "core/slot.hpp"
#include "core/time.hpp"
#include "core/tracking_quality.hpp"

namespace keypool::core {

inline constexpr Micros kBrief = 10 * kSecond;
// A key that is half open must have lasted so long before its owner's keys count as back.
inline constexpr Micros kProbation = 30 * kSecond;
inline constexpr std::uint32_t kFewestOutcomes = 10;  // fewer say nothing about a rate
// A restart of the server forgets recent outcomes and outages. For as long as the span of the
// outcomes, an open alert of that kind is kept on no evidence.
inline constexpr Micros kMemoryGap = 2 * RecentOutcomes::kPeriod;

enum class AlertKind : std::uint8_t {
  kKeyUnhealthy,
  kPoolExhausted,
  kErrorRate,
  kUnusedKey,
  kProviderOutage,
  kTrackingQuality,
  kRateLimit,
  kBudgetWarning,
  kBudgetSpent,
  kRotationDue,
};
inline constexpr AlertKind kAlertKinds[] = {AlertKind::kKeyUnhealthy,   AlertKind::kPoolExhausted,
                                            AlertKind::kErrorRate,      AlertKind::kUnusedKey,
                                            AlertKind::kProviderOutage, AlertKind::kTrackingQuality,
                                            AlertKind::kRateLimit,      AlertKind::kBudgetWarning,
                                            AlertKind::kBudgetSpent,    AlertKind::kRotationDue};
std::string_view name(AlertKind kind) noexcept;
std::optional<AlertKind> alert_kind_from_name(std::string_view text) noexcept;

enum class Severity : std::uint8_t { kInfo, kWarning, kCritical };
std::string_view name(Severity severity) noexcept;
std::optional<Severity> severity_from_name(std::string_view text) noexcept;

// --- what is known

struct ProviderFact {
  std::string name;
  bool enabled = true;
  bool outage = false;       // most of its keys failed, and none has succeeded since
  bool answered = false;     // shared memory remembers some request that did not fail
  std::uint8_t backoff = 0;  // times it was busy or out of order since the last success
  Micros backoff_until = 0;  // 0: shared memory knows of no trouble
  std::uint32_t keys = 0;    // in the pool
};

// The limits of a key, in the order of KeyLimits.
enum class KeyLimit : std::uint8_t { kHour, kMinute, kTokens, kConcurrency, kDailyCost };
inline constexpr std::size_t kKeyLimits = 5;

struct LimitFact {
  std::int64_t used = 0;
  std::int64_t limit = 0;         // 0: there is none
  Micros over_at = kNever;        // when, with no further use, it is well below the alert again
  std::uint8_t busy_minutes = 0;  // of the last kBusySpan (limit_alert.hpp)
};

struct KeyFact {
  std::int64_t key_id = 0;
  bool enabled = true;
  Standing standing = {};  // without a wish
  KeyState state = KeyState::kHealthy;
  FailureClass failure = FailureClass::kNone;
  std::uint16_t http_status = 0;
  std::array<char, 24> code = {};
  std::uint32_t requests = 0;  // RecentOutcomes
  std::uint32_t errors = 0;
  Micros cooldown_until = 0;
  Micros expires_at = kNever;
  Micros last_used_at = 0;
  Micros rotated_at = 0;
  Micros created_at = 0;  // 0: not known
  std::array<LimitFact, kKeyLimits> limits;
};

// The keys of one owner at one provider. Of a user, those that may matter.
struct OwnerFact {
  std::size_t provider = 0;  // index in PoolFacts::providers
  OwnerKind kind = OwnerKind::kSystem;
  std::string owner;  // empty for the system
  std::vector<KeyFact> keys;
};

// What one budget has spent for one subject; only those that are much used up are known.
struct BudgetFact {
  std::int64_t id = 0;
  std::string name;  // empty: it has none
  BudgetScope scope = BudgetScope::kGlobal;
  std::string subject;  // whose spending it is; empty where the scope knows nobody
  BudgetPeriod period = BudgetPeriod::kTotal;
  BudgetAction action = BudgetAction::kBlock;
  std::int64_t limit_nano = 0;
  std::int64_t spent_nano = 0;
  std::int64_t reserved_nano = 0;
  Micros ends = kNever;  // of the period; of a rolling one it is not known
};

// A key whose secret has reached its rotation_interval.
struct RotationFact {
  std::int64_t key_id = 0;
  std::string provider;
  OwnerKind owner = OwnerKind::kSystem;
  Micros secret_since = 0;
  Micros interval = 0;
};

struct PoolFacts {
  std::vector<ProviderFact> providers;
  std::vector<OwnerFact> owners;
  std::vector<BudgetFact> budgets;
  std::vector<RotationFact> rotations;
  TrackingFigures tracking;  // of the last kTrackingSpan (tracking_alert.hpp)
};

struct AlertLimits {
  double error_rate = 1;  // share of outcomes; 1: never
  Micros unused = 0;      // 0: never
  double rate_limit = 1;  // share of a key's limit; 1: never
  double cost = 1;        // share of a budget
  // After its rest, a provider of which nothing more is heard counts as well.
  Micros silence = kQuietTime;
  bool operator==(const AlertLimits&) const = default;
};

struct AlertMoment {
  Micros now;
  Micros watching_since;  // since when somebody judges; see kMemoryGap
};

// --- what is open

struct AlertIdentity {
  AlertKind kind;
  // `key:12`, `provider:openai`, `provider:openai/organization:acme`, `tracking`, `budget:3`,
  // `budget:3/user:u1`
  std::string subject;
  auto operator<=>(const AlertIdentity&) const = default;
};
struct OpenAlert {
  std::int64_t id;
  Severity severity;
  std::int64_t key_id;  // 0: it is about no single key
};
using OpenAlerts = std::map<AlertIdentity, OpenAlert>;

// How much there is to a cause.
enum class Strength { kNone, kKeeps, kRaises };
// How severe the alert is that should be open for it; empty: none should.
std::optional<Severity> severity_to_show(const OpenAlerts& open, const AlertIdentity& identity,
                                         Strength strength, Severity severity);

// --- the judgement

inline constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);

struct Cause {
  AlertIdentity identity;
  Severity severity;                // of an alert that is open already: never less than it has
  std::size_t provider = kNoIndex;  // index in the facts, or kNoIndex
  std::size_t owner = kNoIndex;     // likewise
  std::size_t key = kNoIndex;       // index in the owner's keys
  std::size_t budget = kNoIndex;    // index in the facts
  std::size_t rotation = kNoIndex;  // likewise
};

struct Judgement {
  std::vector<Cause> causes;  // of every alert that should be open, each once
  // Keys that were never used: whether that is worth an alert depends on their age, which is not
  // known. They are judged again once it is.
  std::vector<std::int64_t> ages_needed;
  Micros look_again = kNever;  // when the clock alone may change something
};

Judgement judge_alerts(const PoolFacts& facts, const OpenAlerts& open, const AlertLimits& limits,
                       const AlertMoment& at);

// How long the key has not been used, as far as that is known.
Micros unused_since(const KeyFact& key) noexcept;

}  // namespace keypool::core
