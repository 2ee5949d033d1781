// Bytes that somebody has written down as text: base64 or hex, whichever of their dialects.
//
// Base64 may use the standard or the URL alphabet, with padding or without, and may be broken into
// lines, as PostgreSQL's encode() and MIME do. Hex may have capitals, and a leading "\x" as
// PostgreSQL's bytea has, or "0x". Pure functions; throw nothing but std::bad_alloc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/secret.hpp"

namespace keypool::core {

// Bits that base64 leaves over must be zero, so that no two texts of one form mean the same bytes.
std::optional<Secret> from_base64(std::string_view text);

std::optional<Secret> from_hex(std::string_view text);

// Two small digits a byte; write_hex for what is secret, into memory that will be wiped.
std::string to_hex(std::span<const std::byte> bytes);
void write_hex(std::span<const std::byte> bytes, std::byte* out) noexcept;

// URL alphabet, padded.
Secret to_base64_url(std::span<const std::byte> bytes);

}  // namespace keypool::core
