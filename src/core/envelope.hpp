// The stored form of an API key, and what binds it to its row.
//
//   version 1 (1 byte) | data key number (4, big-endian) | nonce (12) | ciphertext | tag (16)
//
// AES-256-GCM under the data key of that number, a random nonce each time, and the key's identity
// as associated data: an envelope moved to another row, owner or provider does not open. Functions
// are free of state; the Aead passed in is for one thread at a time. Failures throw Error and name
// the key id, never content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/cipher.hpp"

namespace keypool::core {

inline constexpr std::size_t kMaxSecretSize = 256;
inline constexpr std::size_t kEnvelopeHeaderSize = 1 + 4 + kNonceSize;
inline constexpr std::size_t kEnvelopeOverhead = kEnvelopeHeaderSize + kTagSize;
inline constexpr std::size_t kMaxEnvelopeSize = kEnvelopeOverhead + kMaxSecretSize;

inline constexpr std::size_t kMaxProviderSize = 63;
inline constexpr std::size_t kMaxOwnerKindSize = 12;  // "organization"
inline constexpr std::size_t kMaxOwnerSize = 255;
// Version, key id, and three texts with a length byte each.
inline constexpr std::size_t kMaxAadSize =
    1 + 8 + 1 + kMaxProviderSize + 1 + kMaxOwnerKindSize + 1 + kMaxOwnerSize;

// What an envelope is bound to. Only looks at its texts; they must outlive the call.
struct KeyIdentity {
  std::int64_t key_id = 0;
  std::string_view provider;
  std::string_view owner_kind;  // "user", "organization" or "system"
  std::string_view owner;       // user or organization id; empty for system
};

// A parsed envelope; looks into the bytes it was parsed from.
struct EnvelopeView {
  std::uint32_t key_number;
  NonceView nonce;
  std::span<const std::byte> body;  // ciphertext and tag

  std::size_t secret_size() const noexcept { return body.size() - kTagSize; }
};

// Encodes an identity as associated data and returns its size. Every text carries its length, so
// two different identities never encode alike. Throws kInvalidArgument when a text is over its
// limit.
std::size_t write_aad(const KeyIdentity& identity, std::span<std::byte, kMaxAadSize> out);

// Takes an envelope apart; `key_id` is for the message. Throws kDecryptionFailed when it is too
// short, too long, or of a version this release does not know. Says nothing about authenticity.
EnvelopeView parse_envelope(std::span<const std::byte> envelope, std::int64_t key_id);

// `data_key` is the data key of that number. Throws kInvalidKeyFormat when the secret is empty or
// longer than kMaxSecretSize.
std::vector<std::byte> seal_key(Aead& data_key, std::uint32_t key_number,
                                const KeyIdentity& identity, std::string_view secret);

// Writes the secret to the front of `out`, which holds at least envelope.secret_size() bytes, and
// returns its size; allocates nothing. Throws kDecryptionFailed when the envelope does not
// authenticate; `out` is wiped then.
std::size_t open_key(Aead& data_key, const EnvelopeView& envelope, const KeyIdentity& identity,
                     std::span<std::byte> out);

// Seals the secret of an envelope in its place, under another data key and with a nonce of its own,
// which must never have been used under it. Its size stays. Allocates nothing. Throws like
// open_key(), and then leaves the envelope as it was.
void reseal_key(Aead& old_key, Aead& new_key, std::uint32_t new_number, NonceView nonce,
                const KeyIdentity& identity, std::span<std::byte> envelope);

}  // namespace keypool::core
