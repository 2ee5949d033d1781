// What choosing would cost without an order that is kept: a look at every slot of the group. The
// comparison of script/bench's row "selection".
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/selection.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;

// The eligible key that was used longest ago, without any limit to look at.
void scan_of_slots(benchmark::State& state) {
  std::vector<Slot> slots(static_cast<std::size_t>(state.range(0)));
  for (Slot& slot : slots) {
    slot.config.enabled = true;
    slot.config.expires_at = kNever;
  }
  Micros now = kNow;
  for (auto _ : state) {
    ++now;
    Slot* oldest = nullptr;
    for (Slot& slot : slots) {
      if (standing_of(slot, {}, now).blocked != Blocked::kNo) continue;
      if (oldest == nullptr || slot.usage.last_used_at < oldest->usage.last_used_at) {
        oldest = &slot;
      }
    }
    oldest->usage.last_used_at = now;
    benchmark::DoNotOptimize(oldest);
  }
}
BENCHMARK(scan_of_slots)->Arg(1'000);

}  // namespace
}  // namespace keypool::core
