// Makes known what checks found out: to the pool, whose picks heed it at once, and to
// keypool.key_state, in one short transaction for all of them.
//
// A verdict on a secret that was rotated or revoked while it was being checked is dropped. Must be
// called outside of a transaction; a failure is logged and the pool keeps what it was told.
#pragma once

#include <vector>

#include "core/time.hpp"
#include "worker/check_outcome.hpp"

namespace keypool::worker {

void record_outcomes(const std::vector<CheckOutcome>& outcomes, core::Micros now);

}  // namespace keypool::worker
