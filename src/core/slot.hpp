// One key as shared memory holds it: what the table says of it, and what happened to it since.
//
// Plain, address-free data. The configured part is written when the slot is published, under the
// pool's exclusive lock; the live part changes under the lock of the slot's group. The secret is
// here as ciphertext only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/envelope.hpp"
#include "core/failure.hpp"
#include "core/time.hpp"
#include "core/told_limits.hpp"
#include "core/window.hpp"

namespace keypool::core {

inline constexpr std::uint32_t kNone = 0xffffffff;  // no slot, group, provider …

inline constexpr std::size_t kMaxKeyName = 47;
inline constexpr std::size_t kMaxModelRules = 8;
inline constexpr std::size_t kMaxModelBlocks = 3;

enum class OwnerKind : std::uint8_t { kUser, kOrganization, kSystem };
std::string_view name(OwnerKind kind);

// What is stored; disabled, expired and cooling-but-over follow from it and the clock.
enum class KeyState : std::uint8_t { kHealthy, kCooling, kUnhealthy, kHalfOpen };
std::string_view name(KeyState state);

// A model name, or a prefix of one (`gpt-4*`), as a hash: 8 bits of length, 56 of the text's hash.
// Length 0 marks a whole name.
using ModelRule = std::uint64_t;
ModelRule model_rule(std::string_view pattern) noexcept;
bool model_matches(ModelRule rule, std::string_view model) noexcept;
// A short hash of any text that is compared for equality only (a region, a model); never 0.
std::uint64_t text_hash(std::string_view text) noexcept;

struct KeyLimits {  // 0: no limit
  std::int32_t requests_per_hour;
  std::int32_t requests_per_minute;
  std::int32_t tokens_per_minute;
  std::int32_t concurrency;
  std::int64_t cost_per_day_nano;
};

// What the table says.
struct KeyConfig {
  std::int64_t key_id;
  Micros expires_at;  // kNever: does not
  Micros rotated_at;  // a later one means a new secret, which starts in good health
  KeyLimits limits;
  double weight;
  std::array<ModelRule, kMaxModelRules> models;  // 0 ends the list; an empty list allows all
  std::uint64_t region;                          // text_hash; 0: any
  std::uint16_t envelope_size;
  std::uint8_t name_size;
  bool enabled;
  bool has_base_url;  // its own; the table is asked for it only then
  std::array<char, kMaxKeyName> name;
  std::array<std::byte, kMaxEnvelopeSize> envelope;

  std::string_view name_view() const noexcept { return {name.data(), name_size}; }
};

// One model that this key may not be used for until then.
struct ModelBlock {
  std::uint64_t model;
  Micros until;
};

struct Health {
  Micros cooldown_until;  // never moves back
  Micros probe_window_end;
  Micros last_error_at;
  std::array<ModelBlock, kMaxModelBlocks> model_blocks;
  std::uint32_t streak;        // transient failures in a row
  std::uint32_t outage_epoch;  // the streak counts only within the provider's current epoch
  KeyState state;
  FailureClass failure;       // what put it out of `healthy`
  std::uint8_t backoff;       // exponent of the next cooldown without a given deadline
  std::uint8_t ramp;          // half-open: 2^ramp picks a window
  std::uint16_t probes_left;  // half-open: in this probe window
  std::uint16_t http_status;  // of the last error, 0: none
  std::array<char, 24> code;  // of the last error, in the provider's word, NUL-terminated if short
};

// Outcomes of the running and of the last period, for the error rate people are warned of.
class RecentOutcomes {
 public:
  static constexpr Micros kPeriod = 5 * kMinute;
  void add(Micros now, bool failed, std::uint32_t times = 1) noexcept;
  std::uint32_t requests(Micros now) const noexcept { return sum(requests_, now); }
  std::uint32_t errors(Micros now) const noexcept { return sum(errors_, now); }

 private:
  std::uint32_t sum(const std::uint16_t (&counts)[2], Micros now) const noexcept;
  std::uint32_t period_;
  std::uint16_t requests_[2];  // by the parity of the period
  std::uint16_t errors_[2];
};

struct Usage {
  std::uint64_t picks;
  std::uint64_t requests;  // outcomes reported
  std::uint64_t errors;
  std::uint64_t tokens;
  std::int64_t cost_nano;
  std::int64_t cost_today_nano;
  std::int64_t reserved_nano;  // by leases in flight
  Micros last_used_at;
  Micros last_checked_at;
  std::int32_t cost_day;  // days since 2000-01-01 UTC
  std::uint32_t in_flight;
  float latency_ms;  // exponentially weighted mean, 0: unknown
  RecentOutcomes recent;
};

struct Slot {
  KeyConfig config;
  Health health;
  Usage usage;
  HourWindow hour;
  MinuteWindow minute;
  MinuteWindow tokens_minute;
  std::uint64_t turn;     // round robin and random: when it is this key's turn again
  std::uint32_t group;    // kNone: garbage that the next compaction drops
  std::uint32_t next_id;  // the chain of the id index
  ToldLimits told;        // by the provider
  bool dirty;             // changed since the worker wrote it down
};

static_assert(std::is_trivially_copyable_v<Slot> && std::is_standard_layout_v<Slot>);
static_assert(sizeof(Slot) <= 1024, "a slot stays within a kibibyte");

}  // namespace keypool::core
