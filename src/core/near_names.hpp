// The known names that look most like a mistyped one: for the hints of "unknown …" errors.
//
// Compares without case. Pure: any thread; throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

// How many letters must be added, dropped, replaced or swapped with their neighbour to get from
// one to the other. Takes time and memory in proportion to the product of the sizes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// At most three, nearest first: those a third of the letters away at most, and those of which one
// begins with the other. Empty when nothing is near, or `wanted` is no name at all (over 64 bytes).
std::vector<std::string> near_names(std::string_view wanted, std::span<const std::string> known);

}  // namespace keypool::core
