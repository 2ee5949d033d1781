#include "core/failure.hpp"

#include <array>
#include <cstddef>

namespace keypool::core {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, 10> kNames = {
    "none",       "caller_fault", "credential",   "quota",          "rate_limit",
    "overloaded", "transient",    "model_access", "region_blocked", "unknown"};
static_assert(kNames.size() == static_cast<std::size_t>(FailureClass::kUnknown) + 1);

}  // namespace

std::string_view name(FailureClass failure) noexcept {
  const auto index = static_cast<std::size_t>(failure);
  return index < kNames.size() ? kNames[index] : kNames.back();
}

std::optional<FailureClass> failure_from_name(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<FailureClass>(i);
  }
  return std::nullopt;
}

}  // namespace keypool::core
