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
#include "store/pick_request.hpp"

namespace keypool::store {

// What was chosen, still sealed. Copied out, so that no lock is held while decrypting.
struct Picked {
  std::int64_t key_id;
  std::int64_t lease_id;  // 0: none was asked for
  core::OwnerKind kind;
  core::Strategy strategy;
  core::Micros picked_at;
  bool has_base_url;       // the key has its own, in its row
  unsigned passed_owners;  // a bit for each kind that has keys, none of which could be taken
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

// What led to a choice, for the receipt.
struct PickStory {
  // Another model than was asked for, which a budget or another provider made it; empty: the same.
  std::string model;
  // What was tried before and why it was not taken, as a JSON array of objects with `provider`,
  // `key_source` and `reason`, as far as each is known; empty: nothing.
  std::string tried;
};

// Throws kInvalidArgument (an owner's name that is too long), kUnknownProvider, kNoKeyAvailable
// (the detail counts candidates by reason, the hint names the earliest moment one frees),
// kLimitExceeded (a budget, or the caller's own limit),
// kConfigurationLimit (pool or lease table full).
void pick(const PickRequest& request, Picked& picked, PickStory* story = nullptr);

// Writes the plaintext of what pick() chose, picked.secret_size() bytes, and notes that for the
// audit log. Throws what store/keyring.hpp and note_pick() of store/audit_board.hpp throw; `out` is
// wiped then.
void open_picked(const Picked& picked, const PickRequest& request, std::span<std::byte> out);

}  // namespace keypool::store
