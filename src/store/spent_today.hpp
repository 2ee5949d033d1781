// Sets right what each key has spent today: after a crash the live sums start from what the worker
// wrote down last, which may lack a moment; the log lacks nothing.
//
// For the worker. Compares the log, in one snapshot, with the live sums as of the very same moment,
// and adds what they differ by; what is settled meanwhile stays. Needs a transaction that acts as
// the tables' owner; throws PgError.
#pragma once

#include "core/pool.hpp"

namespace keypool::store {

// False: requests were being settled all the while, and nothing was done. Try again.
bool correct_spent_today(core::Database& database);

}  // namespace keypool::store
