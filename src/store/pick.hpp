// A pick: whose keys are asked, in which order, and what comes out.
//
// The user's keys first, then the organization's, then the system's; with `fallback`, the same at
// the next provider of the chain. The choice within one owner's keys is core/selection.hpp's. The
// caller's own uncommitted changes are not seen; a key whose revocation was committed before the
// call is not picked. Needs a transaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/envelope.hpp"
#include "core/pool.hpp"
#include "core/secret.hpp"
#include "core/selection.hpp"

namespace keypool::store {

struct PickRequest {
  std::string_view provider;      // name or alias
  std::string_view user;          // empty: none
  std::string_view organization;  // empty: none
  core::Wish wish;
  bool fallback = false;
};

// What was chosen, still sealed. Copied out, so that no lock is held while decrypting.
struct Picked {
  std::int64_t key_id;
  std::int64_t lease_id;  // 0: none was asked for
  core::OwnerKind kind;
  core::Strategy strategy;
  bool has_base_url;  // the key has its own, in its row
  std::uint8_t key_name_size;
  std::uint16_t envelope_size;
  std::array<char, core::kMaxKeyName> key_name_text;
  std::array<std::byte, core::kMaxEnvelopeSize> envelope;
  core::ProviderConfig provider;

  std::string_view key_name() const { return {key_name_text.data(), key_name_size}; }
};

// Throws kInvalidArgument (an owner's name that is too long), kUnknownProvider, kNoKeyAvailable
// (the detail counts candidates by reason, the hint names the earliest moment one frees),
// kConfigurationLimit (pool or lease table full).
void pick(const PickRequest& request, Picked& picked);

// The plaintext of what pick() chose. Throws what store/keyring.hpp throws.
core::Secret open_picked(const Picked& picked, const PickRequest& request);

// One key that a pick looks at, in the order in which it does.
struct Candidate {
  std::int64_t key_id;
  std::string key_name;
  std::string provider;
  core::OwnerKind kind;
  core::Standing standing;
  core::FailureClass failure;  // why it cools or is unhealthy
  core::Rank rank;             // among the eligible ones of its owner
  double score;                // the strategy's measure for people
};

// Every candidate of the same request; reserves nothing.
std::vector<Candidate> candidates(const PickRequest& request);

// Where a pick would succeed now: one entry a provider and owner kind.
struct Availability {
  std::string provider;
  core::OwnerKind kind;
  std::int32_t keys;
};
std::vector<Availability> availability(std::string_view user, std::string_view organization);

}  // namespace keypool::store
