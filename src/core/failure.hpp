// What a provider's failure means for a key: the classes of the failure table and their names.
//
// The effect of each class (cool, disable, ignore) is decided by the key's health, not here.
// The names are part of the SQL face: mark_key_error returns them and accepts them.
// Pure values: any thread, no lock, no failure but "not a class name".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keypool::core {

enum class FailureClass : std::uint8_t {
  kNone,           // no failure at all
  kCallerFault,    // the request was wrong: no key is blamed
  kCredential,     // the key is not accepted
  kQuota,          // the account behind the key has no money or no quota left
  kRateLimit,      // too many requests or tokens for now
  kOverloaded,     // the provider is busy: no key is blamed
  kTransient,      // server error, connection failure, time-out
  kModelAccess,    // the key may not use this model
  kRegionBlocked,  // the provider refuses the place the request comes from
  kUnknown,        // anything else: counted, no effect
};

// "none", "caller_fault", "credential" …: lower case, stable, safe to store.
std::string_view name(FailureClass failure) noexcept;

// The class of exactly this name; nullopt for every other text.
std::optional<FailureClass> failure_from_name(std::string_view text) noexcept;

}  // namespace keypool::core
