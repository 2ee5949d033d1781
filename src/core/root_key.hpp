// The text form of root keys: what a file or a command delivers, and what a new file holds.
//
// A source holds one root key or, during a rotation, several: one a line, the newest first. New
// keys are wrapped with the first; the others open what was wrapped before. Pure functions, no I/O;
// whoever reads the file wipes what it read. Failures throw Error with sizes and formats in them,
// never content.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace keypool::core {

// Accepts 64 hex digits, or base64 of 32 bytes (standard or URL alphabet, 44 characters, or 43
// without padding), each with or without a newline at its end; or exactly 32 raw bytes. Returns 32
// bytes. Throws kRootKeyUnavailable for anything else, and for 32 zero bytes.
Secret parse_root_key(std::string_view raw);

inline constexpr std::size_t kMostRootKeys = 16;

// One root key in any of those forms, or up to kMostRootKeys in text form, one a line; empty lines
// and keys that stand there twice are passed over. At least one, in the order they came.
std::vector<Secret> parse_root_keys(std::string_view raw);

// 32 random bytes.
Secret new_root_key();

// What a file with these keys holds: a line of 64 hex digits for each.
Secret root_keys_text(std::span<const Secret> keys);

}  // namespace keypool::core
