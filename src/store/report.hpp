// What became of a request or of a check, told to the pool: health, counters, the key's new place
// in its group. A key that is not in the pool is left alone (false): its row in keypool.key_state,
// if any, is what the next load starts from.
//
// Holds the pool's lock shared; makes no Postgres call that can fail.
#pragma once

#include <cstdint>
#include <optional>

#include "core/health.hpp"
#include "core/headers.hpp"
#include "core/pool.hpp"

namespace keypool::store {

// The worker has something to write down; wakes it if it did not know. Cannot fail.
void note_dirty(core::Database& database) noexcept;

// Limits read from the answer's headers can only tighten what may be picked.
bool report_failure(core::Database& database, std::int64_t key_id, const core::Failure& failure,
                    const core::RateLimits& limits);

// `latency_ms` < 0: not known.
bool report_success(core::Database& database, std::int64_t key_id, double latency_ms,
                    const core::RateLimits& limits);

// A free check by the worker: `failure.kind` kNone when it was answered well. Counts no request.
bool report_check(core::Database& database, std::int64_t key_id, const core::Failure& failure,
                  double latency_ms);

// Gives one lease back. `unused`: the request never happened. Throws kLeaseUnknown.
void release_lease(core::Database& database, std::int64_t lease_id, bool unused);
// Gives back every lease whose time is over; returns how many.
std::uint32_t expire_leases();

}  // namespace keypool::store
