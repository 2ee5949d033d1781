// KP006: what is said when a provider's name is not among the known ones.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace keypool::core {

Error unknown_provider(std::string_view asked, std::vector<std::string> known);

}  // namespace keypool::core
