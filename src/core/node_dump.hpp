// Constants in the dumps that debug_print_parse and its siblings write to the log.
//
// A dump shows strings as lists of bytes or as escaped text, where no call can be recognized: in it
// every constant but the shortest is taken for a secret.
// Pure: any thread, no lock; throws nothing but std::bad_alloc.
#pragma once

#include <string_view>
#include <vector>

#include "core/secret_call.hpp"

namespace keypool::core {

bool is_node_dump(std::string_view text) noexcept;

void find_dumped_constants(std::string_view dump, std::vector<Hidden>& hidden);

}  // namespace keypool::core
