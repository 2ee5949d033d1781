// One provider of one database as shared memory holds it: how its keys are chosen, and whether it
// is busy or out of order as a whole, which no key is blamed for.
//
// Configuration is written at publication under the pool's exclusive lock. The live part has its
// own spinlock, taken inside a group's lock and never the other way round.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "core/slot.hpp"
#include "core/spinlock.hpp"
#include "core/strategy.hpp"

namespace keypool::core {

inline constexpr std::size_t kMaxProviderName = 63;
inline constexpr std::size_t kMaxBaseUrl = 255;
inline constexpr std::size_t kMaxAliases = 8;

// Answer times by powers of the square root of two, from half a millisecond to six minutes: a
// percentile between these is right to within 20 %.
class LatencyHistogram {
 public:
  static constexpr int kBuckets = 40;
  void add(double milliseconds) noexcept;
  // The middle of the bucket that this share of all answers ends in; 0 when there are none.
  double percentile(double share) const noexcept;

 private:
  std::uint32_t counts_[kBuckets];
};

struct ProviderConfig {
  std::uint32_t database;  // 0: the entry is free
  bool enabled;
  bool has_strategy;  // else keypool.default_strategy
  Strategy strategy;
  std::uint8_t name_size;
  std::uint8_t base_url_size;
  std::int32_t fallback_order;                       // kNoFallback: not in the chain
  Micros rotation_interval;                          // 0: the strategy is asked at every pick
  std::array<std::uint64_t, 1 + kMaxAliases> names;  // text_hash of name and aliases, 0 ends
  std::array<char, kMaxProviderName> name;
  std::array<char, kMaxBaseUrl> base_url;

  std::string_view name_view() const noexcept { return {name.data(), name_size}; }
  std::string_view base_url_view() const noexcept { return {base_url.data(), base_url_size}; }
};

inline constexpr std::int32_t kNoFallback = -1;

struct ProviderHealth {
  std::uint32_t outage_epoch;  // moves at an outage: streaks of older epochs count no more
  std::uint32_t failing;       // keys with a streak in this epoch, those that cool included
  std::uint32_t keys;          // keys in the pool
  std::uint8_t backoff;        // exponent of the next back-off
  bool outage;
  LatencyHistogram latency;
};

struct Provider {
  ProviderConfig config;
  std::atomic<Micros> backoff_until;  // no pick before; written under the lock, never moved back
  SpinLock lock;                      // guards health
  ProviderHealth health;
};

}  // namespace keypool::core
