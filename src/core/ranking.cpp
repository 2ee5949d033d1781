#include "core/ranking.hpp"

#include <algorithm>
#include <cmath>

namespace keypool::core {

namespace {

// One turn of a key of weight 1: a multiple of all numbers to 20, so that the turns of whole
// weights meet exactly.
constexpr double kTurn = 232'792'560;
// Far from where a turn would overflow, and farther than the longest stride.
constexpr std::uint64_t kLastTurn = std::uint64_t{1} << 62;
// Processes read the clock before they get the lock: it seems to step back a little all the time.
constexpr Micros kClockSlack = kSecond;
constexpr double kMostShare = 1e6;

double share_used(Slot& slot, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  double used = 0;
  const auto consider = [&used](double count, double limit) {
    if (limit > 0) used = std::max(used, count / limit);
  };
  consider(static_cast<double>(slot.hour.count(now)), limits.requests_per_hour);
  consider(static_cast<double>(slot.minute.count(now)), limits.requests_per_minute);
  consider(static_cast<double>(slot.tokens_minute.count(now)), limits.tokens_per_minute);
  consider(slot.usage.in_flight, limits.concurrency);
  consider(static_cast<double>(committed_today(slot.usage, now)),
           static_cast<double>(limits.cost_per_day_nano));
  used = std::max(used, slot.told.share_used(now));
  return std::min(used, kMostShare);
}

// Latencies within a tenth of each other count as equal and take turns.
std::uint64_t latency_class(float milliseconds) {
  return milliseconds <= 0 ? 0 : static_cast<std::uint64_t>(8 * std::log2(1 + milliseconds) + 1);
}

bool takes_turns(Strategy strategy) {
  return strategy == Strategy::kRoundRobin || strategy == Strategy::kRandom;
}

// A key that is new, or was out while others went on, takes its place among the present turns.
// Keys that come together spread over a stride in their order: equal ones follow each other by
// position, and those of other weights do not all meet at once.
void rejoin(const Group& group, Slot& slot, std::uint32_t position, Strategy strategy,
            Random& random) {
  const bool behind = slot.turn == 0 || (takes_turns(strategy) && slot.turn < group.turn);
  if (!behind) return;
  const std::uint64_t step = stride(slot, strategy, random);
  const double share = strategy == Strategy::kRandom ? 1 : (position + 0.5) / group.count;
  slot.turn = group.turn + static_cast<std::uint64_t>(static_cast<double>(step) * share) + 1;
}

Rank place(Group& group, Slot& slot, std::uint32_t position, const Moment& moment) {
  const Standing standing = standing_of(slot, Wish{}, moment.now);
  if (standing.blocked != Blocked::kNo) {
    group.wake_at = std::min(group.wake_at, standing.free_at);
    return kOut;
  }
  rejoin(group, slot, position, group.ranked_by, moment.random);
  if (group.ranked_by == Strategy::kUsageBased) {
    const Micros told_end =
        std::min(slot.told.requests.next_end(moment.now), slot.told.tokens.next_end(moment.now));
    group.wake_at = std::min(group.wake_at, told_end);
  }
  return rank_of(slot, group.ranked_by, moment.now);
}

// When the clock alone changes the ranks of keys that stay eligible.
Micros next_change(Strategy strategy, Micros now) {
  switch (strategy) {
    case Strategy::kLeastUsed:
      return HourWindow::next_step(now);
    case Strategy::kCostOptimized:
      return next_midnight(now);
    case Strategy::kUsageBased:
      return std::min(
          {HourWindow::next_step(now), MinuteWindow::next_step(now), next_midnight(now)});
    default:
      return kNever;
  }
}

void rank_all(Pool& pool, Group& group, Strategy strategy, const Moment& moment) {
  group.ranked_by = strategy;
  group.last_used_at = std::min(group.last_used_at, moment.now);
  group.wake_at = next_change(strategy, moment.now);
  const std::span<Slot> slots = pool.slots_of(group);
  const std::span<Rank> ranks = pool.ranks_of(group);
  for (std::uint32_t i = 0; i < group.count; ++i) {
    ranks[i] = place(group, slots[i], i, moment);
    if (slots[i].config.expires_at > moment.now) {
      group.wake_at = std::min(group.wake_at, slots[i].config.expires_at);
    }
  }
  pool.tournament_of(group).build();
}

// Starts the count of turns again near zero, keeping who comes before whom.
void rebase(Pool& pool, Group& group) {
  const std::uint64_t base = group.turn - 1;
  for (Slot& slot : pool.slots_of(group)) {
    if (slot.turn != 0) slot.turn = slot.turn > base ? slot.turn - base : 1;
  }
  group.turn -= base;
  group.wake_at = kUnranked;
}

}  // namespace

Rank rank_of(Slot& slot, Strategy strategy, Micros now) noexcept {
  const std::uint64_t turn = slot.turn;
  switch (strategy) {
    case Strategy::kRoundRobin:
    case Strategy::kRandom:
      return {0, turn};
    case Strategy::kLeastUsed:
      return {slot.hour.count(now), turn};
    case Strategy::kCostOptimized:
      return {
          static_cast<std::uint64_t>(std::max<std::int64_t>(0, committed_today(slot.usage, now))),
          turn};
    case Strategy::kSingle:
      return {0, 0};
    case Strategy::kLeastBusy:
      return {slot.usage.in_flight, turn};
    case Strategy::kLowestLatency:
      return {latency_class(slot.usage.latency_ms), turn};
    case Strategy::kUsageBased:
      return {static_cast<std::uint64_t>(share_used(slot, now) * 1e6), turn};
  }
  return {0, turn};
}

double score_of(double turn, Slot& slot, std::uint32_t position, Strategy strategy,
                Micros now) noexcept {
  switch (strategy) {
    case Strategy::kRoundRobin:
    case Strategy::kRandom:
      return std::max(0.0, static_cast<double>(slot.turn) - turn) / kTurn;
    case Strategy::kLeastUsed:
      return static_cast<double>(slot.hour.count(now));
    case Strategy::kCostOptimized:
      return static_cast<double>(committed_today(slot.usage, now)) / 1e9;
    case Strategy::kSingle:
      return position;
    case Strategy::kLeastBusy:
      return slot.usage.in_flight;
    case Strategy::kLowestLatency:
      return slot.usage.latency_ms;
    case Strategy::kUsageBased:
      return share_used(slot, now);
  }
  return 0;
}

void rank_if_due(Pool& pool, Group& group, const Provider& provider,
                 const Moment& moment) noexcept {
  const Strategy own = strategy_of(provider, Wish{}, moment);
  const bool due = moment.now >= group.wake_at || group.wake_at == kUnranked ||
                   group.ranked_by != own || moment.now < group.last_used_at - kClockSlack;
  if (due) [[unlikely]]
    rank_all(pool, group, own, moment);
}

void rerank(Pool& pool, Group& group, const Provider& provider, std::uint32_t slot,
            const Moment& moment) noexcept {
  Slot& changed = pool.slot(slot);
  group.has_models |= changed.health.model_blocks[0].model != 0;
  // Else the next pick ranks all.
  const bool ranked =
      group.wake_at != kUnranked && group.ranked_by == strategy_of(provider, Wish{}, moment);
  if (!ranked) return;
  const std::uint32_t position = slot - group.first;
  pool.tournament_of(group).set(position, place(group, changed, position, moment));
}

// Round robin by weight is stride scheduling: a key's next turn comes 1/weight later. Random by
// weight is the same with exponentially distributed strides: independent Poisson processes, whose
// next arrival belongs to a key with probability proportional to its weight, whatever came before.
std::uint64_t stride(const Slot& slot, Strategy strategy, Random& random) noexcept {
  const double mean = kTurn / slot.config.weight;
  const double length = strategy == Strategy::kRandom ? mean * random.exponential() : mean;
  return static_cast<std::uint64_t>(length);
}

// Turns cannot be saved up: a key that others were preferred to, for their model or their score,
// goes on from the present one and is not taken again and again until it is even.
void take_turn(Pool& pool, Group& group, Slot& slot, Strategy strategy, Random& random) noexcept {
  group.turn = std::max(group.turn, slot.turn);
  slot.turn = group.turn + stride(slot, strategy, random);
  if (slot.turn > kLastTurn) [[unlikely]]
    rebase(pool, group);
}

}  // namespace keypool::core
