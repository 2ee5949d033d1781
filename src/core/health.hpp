// The health of a key: how failures, successes, checks and the clock move it between its states.
//
//   healthy   -- rate limit, three transient failures --> cooling
//   cooling   -- its deadline --> half_open -- probes passed --> healthy
//   any state -- bad credential, no quota, region --> unhealthy
//   unhealthy -- check passed, rotation --> healthy (half_open if it was the quota)
//
// No key is blamed for the caller's mistake or for the provider's outage. A deadline never moves
// back. The caller holds the lock of the slot's group; the provider's lock is taken inside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/failure.hpp"
#include "core/provider.hpp"
#include "core/random.hpp"
#include "core/slot.hpp"

namespace keypool::core {

inline constexpr Micros kFirstCooldown = kSecond;
inline constexpr Micros kLongestCooldown = 10 * kMinute;  // without a deadline from the provider
inline constexpr Micros kLongestBackoff = 30 * kSecond;   // of a whole provider
inline constexpr Micros kQuietTime = kMinute;             // after it, the trouble is over
inline constexpr std::uint32_t kTransientLimit = 3;       // in a row, then the key cools
// Without a report, a probe counts as passed after this time: an application that reports only
// errors must not keep a recovered key half open for ever.
inline constexpr Micros kProbeWindow = 5 * kSecond;
inline constexpr std::uint8_t kRampSteps = 4;  // windows of 1, 2, 4 and 8 picks, then healthy
inline constexpr Micros kModelBlockTime = kDay;

struct Failure {
  FailureClass kind = FailureClass::kUnknown;
  Micros retry_at = 0;            // 0: the provider gave no deadline
  std::uint64_t model = 0;        // text_hash of the model asked for, 0: not known
  bool for_model = false;         // the limit is on that model alone
  std::uint16_t http_status = 0;  // 0: none
  std::string_view code = {};     // the provider's own word for it

  bool is_of_model_alone() const noexcept { return for_model && model != 0; }
};

// Moves the states that only wait for the clock.
void settle(Health& health, Micros now) noexcept;

// Takes one probe of a half-open key; there is one left.
void take_probe(Health& health, Micros now) noexcept;

// A request with this key failed. True: it counts against the key.
bool note_failure(Slot& slot, Provider& provider, const Failure& failure, Micros now,
                  Random& random) noexcept;

// A request with this key succeeded.
void note_success(Slot& slot, Provider& provider, Micros now) noexcept;

// A free check was answered well. It shows that the credential works, not that there is quota, and
// it ends no cooldown.
void note_check_passed(Slot& slot, Provider& provider, Micros now) noexcept;

// Whether the key may be used for this model now; free_at is set when not.
bool model_blocked(const Health& health, std::uint64_t model, Micros now, Micros& free_at) noexcept;

// The last error as people and the table see it: `429 rate_limit_exceeded`, or as much of that as
// is known. Empty: none, or one of before a restart.
std::string last_error_text(const Health& health);

}  // namespace keypool::core
