// Money in words for people: "$0.98", "$1", "$0.000000001". Exact, without zeros at the end.
#pragma once

#include <cstdint>
#include <string>

namespace keypool::core {

std::string dollars(std::int64_t nano);

}  // namespace keypool::core
