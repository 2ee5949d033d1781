// The models a key may not be used for at present, as one line of text for the table: each as the
// hash of its name and the moment its block ends (core/slot.hpp), so that blocks outlive a restart.
#pragma once

#include <string>
#include <string_view>

#include "core/slot.hpp"

namespace keypool::core {

// Empty when there is none that lasts beyond `now`.
std::string model_blocks_text(const Health& health, Micros now);

// What cannot be read is left out: a block too few is asked for again by the next failure.
void read_model_blocks(std::string_view text, Health& health) noexcept;

}  // namespace keypool::core
