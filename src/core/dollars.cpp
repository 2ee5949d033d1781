#include "core/dollars.hpp"

namespace keypool::core {

std::string dollars(std::int64_t nano) {
  constexpr std::uint64_t kNanos = 1'000'000'000;
  const bool negative = nano < 0;
  const std::uint64_t amount =
      negative ? 0 - static_cast<std::uint64_t>(nano) : static_cast<std::uint64_t>(nano);
  std::string text = (negative ? "-$" : "$") + std::to_string(amount / kNanos);
  if (amount % kNanos == 0) return text;
  std::string digits = std::to_string(kNanos + amount % kNanos);  // a 1 and the nine digits
  digits.erase(digits.find_last_not_of('0') + 1);
  return text + "." + digits.substr(1);
}

}  // namespace keypool::core
