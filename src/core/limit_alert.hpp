// The alert on a key's limits: when it has used up much of one, so that it is about to be passed
// over.
//
// A limit on an hour or a day fills and empties slowly: it raises an alert at the share that
// keypool.rate_limit_alert says, and keeps it until the use is a tenth below that. A limit on a
// minute, or on what is in flight, is full for a moment whenever a key works well, which is nothing
// to be told of: it raises an alert when that was so in kBusyMinutes of the last kBusySpan minutes,
// and keeps it until it was so in none.
//
// Plain values, no lock, no clock; throws nothing but std::bad_alloc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "core/alert_rules.hpp"
#include "core/alert_words.hpp"
#include "core/time.hpp"

namespace keypool::core {

inline constexpr int kBusySpan = 5;     // minutes
inline constexpr int kBusyMinutes = 3;  // of these
// What keeps an alert on a limit or a budget, as a share of what raises it.
inline constexpr double kMilderShare = 0.9;

// Of which limit there is most to tell.
struct LimitUse {
  Strength strength = Strength::kNone;
  KeyLimit which = KeyLimit::kHour;
  Micros over_at = kNever;  // kNever: the clock does not tell
};
LimitUse fullest_limit(const KeyFact& key, double share) noexcept;

// Whether the use is at or above that share of the limit; never at a share of 1.
bool is_busy(const LimitFact& limit, double share) noexcept;
// Whether any limit is, of which somebody must be told or the alert be kept.
bool is_busy(const KeyFact& key, double share) noexcept;
// A restart empties what limits are counted by, and the memory of BusyMinutes.
bool limits_are_forgotten(const KeyFact& key) noexcept;

AlertText describe_limit(const KeyFact& key, const OwnerFact& owner, double share, Micros now);

// In which of the last minutes a key was busy, by what was seen of it.
class BusyMinutes {
 public:
  // Takes the facts in, and writes into them what it remembers.
  void look(PoolFacts& facts, double share, Micros now);

 private:
  struct Seen {
    std::int64_t minute = 0;
    std::uint8_t bits = 0;  // the lowest is that minute
  };
  using Minutes = std::array<Seen, kKeyLimits>;

  void note(KeyFact& key, double share, std::int64_t minute);

  std::unordered_map<std::int64_t, Minutes> keys_;
};

}  // namespace keypool::core
