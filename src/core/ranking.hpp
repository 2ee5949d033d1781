// The order among the keys of a group: each eligible key's rank by the strategy, kept in the
// group's tournament. What the clock moves is moved when a pick finds the group due, what an event
// moves by rerank(), so that the tournament's winner is what a look at every key would find.
//
// The caller holds the pool's lock shared and the group's lock.
#pragma once

#include <cstdint>

#include "core/pool.hpp"
#include "core/random.hpp"
#include "core/standing.hpp"
#include "core/strategy.hpp"

namespace keypool::core {

struct Moment {
  Micros now;
  Strategy default_strategy;
  Random& random;
};

inline Strategy strategy_of(const Provider& provider, const Wish& wish, const Moment& moment) {
  if (wish.strategy != nullptr) return *wish.strategy;
  return provider.config.has_strategy ? provider.config.strategy : moment.default_strategy;
}

// Where an eligible key stands among the others: the lowest rank is taken.
Rank rank_of(Slot& slot, Strategy strategy, Micros now) noexcept;
// The strategy's measure as people read it: requests, dollars, milliseconds, turns …; lower first.
// `turn` is the group's.
double score_of(double turn, Slot& slot, std::uint32_t position, Strategy strategy,
                Micros now) noexcept;

// Brings the group's ranks up to date when the clock asks for it.
void rank_if_due(Pool& pool, Group& group, const Provider& provider, const Moment& moment) noexcept;
// After anything else changed a slot's live data: puts it in its new place.
void rerank(Pool& pool, Group& group, const Provider& provider, std::uint32_t slot,
            const Moment& moment) noexcept;

// How far ahead a key's next turn is.
std::uint64_t stride(const Slot& slot, Strategy strategy, Random& random) noexcept;
// The key was chosen: its next turn comes a stride later.
void take_turn(Pool& pool, Group& group, Slot& slot, Strategy strategy, Random& random) noexcept;

}  // namespace keypool::core
