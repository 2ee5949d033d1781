#include "core/selection.hpp"

#include <algorithm>
#include <limits>

#include "core/health.hpp"

namespace keypool::core {

namespace {

bool is_plain(const Group& group, const Wish& wish) {
  return wish.exclude.empty() && wish.tokens == 0 && wish.cost_nano == 0 &&
         (!group.has_models || (wish.model.empty() && wish.region == 0));
}

// Whether a key that the tournament lets in suits this wish too.
bool suits(Pool& pool, const Group& group, std::uint32_t position, const Wish& wish, Micros now) {
  return is_plain(group, wish) ||
         standing_of(pool.slot(group.first + position), wish, now).blocked == Blocked::kNo;
}

std::uint32_t lowest_for(Pool& pool, Group& group, const Wish& wish, Strategy strategy,
                         const Moment& moment) {
  const std::span<Slot> slots = pool.slots_of(group);
  std::uint32_t best = kNone;
  Rank best_rank = kOut;
  for (std::uint32_t i = 0; i < group.count; ++i) {
    if (standing_of(slots[i], wish, moment.now).blocked != Blocked::kNo) continue;
    // The turns are those of the group's own strategy, so chance is asked anew.
    const Rank rank = strategy == Strategy::kRandom
                          ? Rank{0, stride(slots[i], strategy, moment.random)}
                          : rank_of(slots[i], strategy, moment.now);
    if (best != kNone && !(rank < best_rank)) continue;
    best = i;
    best_rank = rank;
  }
  return best;
}

// Whether the last choice stands until the rotation interval is over.
bool is_stuck(const Pool& pool, const Group& group, const Provider& provider, Micros now) {
  if (provider.config.rotation_interval == 0 || group.sticky_since == 0) return false;
  const Micros since = now - group.sticky_since;
  return since >= 0 && since < provider.config.rotation_interval &&
         !is_out(pool.ranks_of(group)[group.sticky]);
}

void stick_to(Group& group, std::uint32_t position, std::int64_t key_id, Micros now) {
  group.sticky = position;
  group.sticky_key = key_id;
  group.sticky_since = now;
}

// The strategy's choice, or kNone.
std::uint32_t choose(Pool& pool, Group& group, const Provider& provider, const Wish& wish,
                     const Moment& moment) {
  const std::uint32_t winner = pool.tournament_of(group).winner();
  // Who suits this wish would suit a plain one too.
  if (is_out(pool.ranks_of(group)[winner])) return kNone;
  const Strategy strategy = strategy_of(provider, wish, moment);
  if (strategy == group.ranked_by && suits(pool, group, winner, wish, moment.now)) return winner;
  return lowest_for(pool, group, wish, strategy, moment);
}

void reserve(Slot& slot, const Wish& wish, Micros now) {
  slot.hour.add(now, 1);
  slot.minute.add(now, 1);
  slot.told.requests.use(now, 1);
  if (wish.tokens != 0) {
    slot.tokens_minute.add(now, wish.tokens);
    slot.told.tokens.use(now, wish.tokens);
  }
  if (wish.lease) {
    ++slot.usage.in_flight;
    std::int64_t& reserved = slot.usage.reserved_nano;
    if (__builtin_add_overflow(reserved, wish.cost_nano, &reserved)) {
      reserved = std::numeric_limits<std::int64_t>::max();
    }
  }
  ++slot.usage.picks;
  slot.usage.last_used_at = now;
  slot.dirty = true;
  if (slot.health.state == KeyState::kHealthy) [[likely]]
    return;
  settle(slot.health, now);
  if (slot.health.state == KeyState::kHalfOpen) take_probe(slot.health, now);
}

void take_back(Slot& slot, Micros then, std::uint32_t tokens) noexcept {
  slot.hour.take_back(then, 1);
  slot.minute.take_back(then, 1);
  slot.tokens_minute.take_back(then, tokens);
}

}  // namespace

std::uint32_t take_key(Pool& pool, Group& group, const Provider& provider, const Wish& wish,
                       const Moment& moment) noexcept {
  group.recent = true;
  if (group.count == 0) return kNone;
  const Micros now = moment.now;
  rank_if_due(pool, group, provider, moment);

  const bool stuck = is_stuck(pool, group, provider, now);
  const bool stays = choice_stands(pool, group, provider, wish, now);
  const std::uint32_t taken = stays ? group.sticky : choose(pool, group, provider, wish, moment);
  if (taken == kNone) return kNone;

  Slot& slot = pool.slot(group.first + taken);
  reserve(slot, wish, now);
  group.last_used_at = now;
  if (!stays) take_turn(pool, group, slot, strategy_of(provider, wish, moment), moment.random);
  if (!stuck && provider.config.rotation_interval != 0 && wish.strategy == nullptr) {
    stick_to(group, taken, slot.config.key_id, now);
  }
  rerank(pool, group, provider, group.first + taken, moment);
  return group.first + taken;
}

bool choice_stands(Pool& pool, const Group& group, const Provider& provider, const Wish& wish,
                   Micros now) noexcept {
  return is_stuck(pool, group, provider, now) && wish.strategy == nullptr &&
         suits(pool, group, group.sticky, wish, now);
}

// What the provider told is not raised again: it may have counted the request all the same.
void return_lease(Slot& slot, const Lease& lease, bool unused) noexcept {
  if (slot.usage.in_flight != 0) --slot.usage.in_flight;
  slot.usage.reserved_nano = std::max<std::int64_t>(0, slot.usage.reserved_nano - lease.cost_nano);
  if (unused) take_back(slot, lease.acquired_at, lease.tokens);
}

void undo_take(Slot& slot, const Wish& wish, Micros now) noexcept {
  --slot.usage.picks;
  if (wish.lease) {
    const Lease lease = {.tokens = wish.tokens, .cost_nano = wish.cost_nano, .acquired_at = now};
    return_lease(slot, lease, true);
  } else {
    take_back(slot, now, wish.tokens);
  }
}

}  // namespace keypool::core
