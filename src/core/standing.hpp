// Where a key stands: whether it may be taken for a wish now, and if not, why and until when.
//
// Looking moves the states that only wait for the clock. The caller holds the lock of the slot's
// group, or looks at a copy.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/provider.hpp"
#include "core/slot.hpp"
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
  kToldRequests,  // by the provider: its headers say that nothing is left
  kToldTokens,
  kConcurrency,
  kDailyCost,
  kModel,         // the key is not for this model
  kModelBlocked,  // the provider limits or refuses the model for this key
  kRegion,
  kExcluded,
  kBudget,  // refuses the request, or it with this key
  kCount
};
// For people: "healthy and under every limit", "cooling down" …
std::string_view describe(Blocked why);

// The figures behind a limit that is reached: requests, tokens, leases in flight or nano-dollars.
// Windows count what is reserved as used.
struct Figures {
  std::int64_t used = 0;
  std::int64_t reserved = 0;  // by leases, where that is known apart
  std::int64_t limit = 0;     // of what a provider told: what is left
  std::int64_t wanted = 0;    // by an amount that the caller named, else 0
};

struct Standing {
  Blocked blocked = Blocked::kNo;
  Micros free_at = kNever;  // when the clock alone ends it; kNever: it does not
  Figures figures = {};
};
// "60 of 60", "$0.98 spent and $0.01 reserved of $1", "5 of 5 in flight" …; empty: nothing is
// counted.
std::string figures_text(const Standing& standing);

struct Wish {
  std::string_view model = {};                 // empty: any
  std::uint64_t region = 0;                    // text_hash, 0: any
  std::span<const std::int64_t> exclude = {};  // key ids
  const Strategy* strategy = nullptr;          // instead of the provider's
  std::uint32_t tokens = 0;                    // to reserve
  std::int64_t cost_nano = 0;                  // to reserve
  bool lease = false;                          // counts as in flight until settled
};

Standing provider_standing(const Provider& provider, Micros now) noexcept;
// Moves the key's clock-driven states on and says where it stands, for this wish.
Standing standing_of(Slot& slot, const Wish& wish, Micros now) noexcept;

std::int64_t cost_today(const Usage& usage, Micros now) noexcept;
// Spent, and reserved by leases.
std::int64_t committed_today(const Usage& usage, Micros now) noexcept;
Micros next_midnight(Micros now) noexcept;  // UTC, as the days of cost_today

}  // namespace keypool::core
