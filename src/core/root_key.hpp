// The text form of the root key: what a file or a command delivers, and what a new file holds.
//
// Pure functions, no I/O; whoever reads the file wipes what it read. Failures throw Error with
// sizes and formats in them, never content.
#pragma once

#include <string_view>

#include "core/secret.hpp"

namespace keypool::core {

// Accepts 64 hex digits, or base64 of 32 bytes (standard or URL alphabet, 44 characters, or 43
// without padding), each with or without a newline at its end; or exactly 32 raw bytes. Returns 32
// bytes. Throws kRootKeyUnavailable for anything else, and for 32 zero bytes.
Secret parse_root_key(std::string_view raw);

// A new random root key as 64 hex digits and a newline.
Secret new_root_key_text();

}  // namespace keypool::core
