// KP006: what is said when a provider's name is not among the known ones.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace keypool::core {

// `aliases` are not listed, but may be what was meant.
Error unknown_provider(std::string_view asked, std::vector<std::string> known,
                       const std::vector<std::string>& aliases = {});

}  // namespace keypool::core
