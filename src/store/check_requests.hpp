// Checks on demand: how a backend hands one to its database's worker.
//
// The backend makes a DSM segment with the request and a shm_mq for the answers, posts its handle
// here and waits; the worker takes it, attaches, and answers through the queue. A bounded table on
// the worker board, under the board's lock. A request lives here from post_check() until it is
// taken, cancelled, or its worker goes; after that only the queue speaks, and a side that detaches
// from the segment tells the other so.
#pragma once

#include <cstdint>
#include <optional>

#include "pg/postgres.hpp"

extern "C" {
#include "storage/dsm.h"
}

namespace keypool::store {

inline constexpr std::size_t kMaxCheckRequests = 256;  // over all databases

struct CheckTicket {
  std::uint64_t number;
  pid_t worker;  // who is to serve it
};

struct CheckRequest {
  dsm_handle segment;
  pid_t requester;
};

// Backend: posts for the worker of the current database and wakes it. Throws kWorkerUnavailable
// when none is running, kConfigurationLimit when too many requests wait already.
CheckTicket post_check(dsm_handle segment);
// Backend: takes the request back if nobody took it yet; also after an error or at exit.
void cancel_check(const CheckTicket& ticket) noexcept;
// Backend: true when the worker that was to serve it has gone. Its end also sets the latch of the
// backends whose requests it had not taken.
bool check_abandoned(const CheckTicket& ticket) noexcept;

// Worker: the oldest request for its database. The requester may have gone meanwhile: then
// dsm_attach finds no segment.
std::optional<CheckRequest> take_check() noexcept;

}  // namespace keypool::store
