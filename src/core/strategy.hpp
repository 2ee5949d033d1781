// How one of several eligible keys is taken. To add a strategy: a name here, its rank in
// selection.cpp, a row in docs/picking.md, and its name in the CHECK of keypool.providers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace keypool::core {

enum class Strategy : std::uint8_t {
  kRoundRobin,     // smooth, by weight
  kLeastUsed,      // fewest requests over the last hour
  kCostOptimized,  // lowest spend today (UTC)
  kRandom,         // by weight
  kSingle,         // the first eligible one, in order of id
  kLeastBusy,      // fewest leases in flight
  kLowestLatency,  // reported by mark_key_success and by checks
  kUsageBased,     // the largest share of its tightest limit left
};

inline constexpr std::array<std::string_view, 8> kStrategyNames = {
    "round_robin", "least_used", "cost_optimized", "random",
    "single",      "least_busy", "lowest_latency", "usage_based"};

constexpr std::string_view name(Strategy strategy) {
  return kStrategyNames[static_cast<std::size_t>(strategy)];
}

constexpr std::optional<Strategy> strategy_from_name(std::string_view text) {
  for (std::size_t i = 0; i < kStrategyNames.size(); ++i) {
    if (kStrategyNames[i] == text) return static_cast<Strategy>(i);
  }
  return std::nullopt;
}

}  // namespace keypool::core
