// Choosing a key of one group and reserving capacity on it in the same step.
//
// The caller holds the pool's lock shared and the group's lock. A plain wish is answered by the
// group's tournament in some tens of nanoseconds whatever its size; a wish that names a model, a
// region, keys to leave out, another strategy or an amount looks at every key.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/pool.hpp"
#include "core/random.hpp"
#include "core/strategy.hpp"

namespace keypool::core {

// Why a key cannot be taken now, in the order in which it is looked at.
enum class Blocked : std::uint8_t {
  kNo,
  kProviderDisabled,
  kProviderBusy,
  kDisabled,
  kExpired,
  kUnhealthy,
  kCooling,
  kProbing,  // half open, and the probe is under way
  kHourLimit,
  kMinuteLimit,
  kTokenLimit,
  kConcurrency,
  kDailyCost,
  kModel,         // the key is not for this model
  kModelBlocked,  // the provider limits or refuses the model for this key
  kRegion,
  kExcluded,
  kCount
};
// For people: "healthy and under every limit", "cooling down" …
std::string_view describe(Blocked why);

struct Standing {
  Blocked blocked = Blocked::kNo;
  Micros free_at = kNever;  // when the clock alone ends it; kNever: it does not
};

struct Wish {
  std::string_view model = {};                 // empty: any
  std::uint64_t region = 0;                    // text_hash, 0: any
  std::span<const std::int64_t> exclude = {};  // key ids
  const Strategy* strategy = nullptr;          // instead of the provider's
  std::uint32_t tokens = 0;                    // to reserve
  std::int64_t cost_nano = 0;                  // to reserve
  bool lease = false;                          // counts as in flight until settled
};

struct Moment {
  Micros now;
  Strategy default_strategy;
  Random& random;
};

Strategy strategy_of(const Provider& provider, const Wish& wish, const Moment& moment);

Standing provider_standing(const Provider& provider, Micros now) noexcept;
// Moves the key's clock-driven states on and says where it stands, for this wish.
Standing standing_of(Slot& slot, const Wish& wish, Micros now) noexcept;
// The strategy's measure as people read it: requests, dollars, milliseconds, turns …; lower first.
// `turn` is the group's.
double score_of(double turn, Slot& slot, std::uint32_t position, Strategy strategy,
                Micros now) noexcept;

// The slot taken, or kNone when no key of the group is eligible.
std::uint32_t take_key(Pool& pool, Group& group, const Provider& provider, const Wish& wish,
                       const Moment& moment) noexcept;

// After anything else changed a slot's live data: puts it in its new place.
void rerank(Pool& pool, Group& group, const Provider& provider, std::uint32_t slot,
            const Moment& moment) noexcept;

// Gives back what a lease reserved. `unused`: the request never happened.
void return_lease(Slot& slot, const Lease& lease, bool unused) noexcept;

std::int64_t cost_today(const Usage& usage, Micros now) noexcept;

}  // namespace keypool::core
