// Fernet tokens, as github.com/fernet/spec and Python's cryptography make them: a key of 32 bytes,
// of which the first half signs (HMAC-SHA256) and the second encrypts (AES-128-CBC).
//
// A token is 0x80 | seconds since 1970 (64 bits, big-endian) | IV (16) | ciphertext | MAC (32),
// where the MAC covers all before it. Key and token come as text, see core/binary_text.hpp. Any
// thread, no lock; throws what cipher.hpp throws.
#pragma once

#include <optional>
#include <string_view>

#include "core/cipher.hpp"
#include "core/secret.hpp"
#include "core/time.hpp"

namespace keypool::core {

// Which tokens are of an age to be believed: made at most `longest` ago, and not in the future but
// for what clocks may differ by.
struct FernetAge {
  Micros now;
  Micros longest;
};

inline constexpr Micros kFernetClockSkew = kMinute;

// What the token holds. Empty for any token that this key has not made, and for a malformed one or
// a malformed key: which of these, nobody is told. A token has no age limit but the one given.
std::optional<Secret> open_fernet(std::string_view token, std::string_view key,
                                  std::optional<FernetAge> age = {});

// The token's text. An IV must be random: random_bytes(). The key is 32 bytes, not text.
Secret seal_fernet(std::span<const std::byte, kKeySize> key, CbcIvView iv, Micros now,
                   std::string_view plain);

}  // namespace keypool::core
