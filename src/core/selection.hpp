// Choosing a key of one group and reserving capacity on it in the same step.
//
// The caller holds the pool's lock shared and the group's lock. The group's tournament answers in
// some tens of nanoseconds whatever its size. Every key is looked at only when the winner does not
// suit a wish that names a model, a region, keys to leave out or an amount, and for a wish that
// names another strategy.
#pragma once

#include <cstdint>

#include "core/pool.hpp"
#include "core/ranking.hpp"
#include "core/standing.hpp"

namespace keypool::core {

// The slot taken, or kNone when no key of the group is eligible.
std::uint32_t take_key(Pool& pool, Group& group, const Provider& provider, const Wish& wish,
                       const Moment& moment) noexcept;

// Whether the strategy need not be asked for this wish: the rotation interval of the last choice,
// group.sticky, is not over. The ranks are up to date.
bool choice_stands(Pool& pool, const Group& group, const Provider& provider, const Wish& wish,
                   Micros now) noexcept;

// Gives back what a lease reserved. `unused`: the request never happened.
void return_lease(Slot& slot, const Lease& lease, bool unused) noexcept;
// As if take_key had not taken it; the turn it took stays taken.
void undo_take(Slot& slot, const Wish& wish, Micros now) noexcept;

}  // namespace keypool::core
