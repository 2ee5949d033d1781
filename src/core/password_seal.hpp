// Secrets sealed under a password the simple way of many applications: AES-256-GCM with SHA-256 of
// the password as key, and no associated data.
//
// The bytes are nonce (12) | ciphertext | tag (16), written as base64 or hex
// (core/binary_text.hpp). One round of SHA-256 withstands no guessing of a weak password: this is
// for moving out of it, and there is no function that seals so. Any thread, no lock; throws what
// cipher.hpp throws.
#pragma once

#include <optional>
#include <string_view>

#include "core/secret.hpp"

namespace keypool::core {

// Empty when it does not open: wrong password, other form, or damaged.
std::optional<Secret> open_password_seal(std::string_view sealed, std::string_view password);

}  // namespace keypool::core
