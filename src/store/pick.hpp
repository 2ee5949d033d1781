// A pick: whose keys are asked, in which order, and what comes out.
//
// The user's keys first, then the organization's, then the system's; with `fallback`, the same at
// the next provider of the chain. The choice within one owner's keys is core/selection.hpp's. The
// caller's own uncommitted changes are not seen; a key whose revocation was committed before the
// call is not picked. Needs a transaction.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/envelope.hpp"
#include "core/pool.hpp"
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
  std::uint8_t provider_size;
  std::uint8_t base_url_size;
  std::array<char, core::kMaxKeyName> key_name_text;
  std::array<char, core::kMaxProviderName> provider_text;
  std::array<std::byte, core::kMaxEnvelopeSize> envelope;
  std::array<char, core::kMaxBaseUrl> base_url_text;  // of the provider; with a lease only

  std::string_view key_name() const { return {key_name_text.data(), key_name_size}; }
  std::string_view provider() const { return {provider_text.data(), provider_size}; }
  std::string_view base_url() const { return {base_url_text.data(), base_url_size}; }
  // 0 for an envelope that is cut off, which opening then refuses.
  std::size_t secret_size() const {
    return envelope_size - std::min<std::size_t>(envelope_size, core::kEnvelopeOverhead);
  }
};

// Throws kInvalidArgument (an owner's name that is too long), kUnknownProvider, kNoKeyAvailable
// (the detail counts candidates by reason, the hint names the earliest moment one frees),
// kConfigurationLimit (pool or lease table full).
void pick(const PickRequest& request, Picked& picked);

// Writes the plaintext of what pick() chose, picked.secret_size() bytes. Throws what
// store/keyring.hpp throws; `out` is wiped then.
void open_picked(const Picked& picked, const PickRequest& request, std::span<std::byte> out);

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
