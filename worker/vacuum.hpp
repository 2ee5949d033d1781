// VACUUM of tables of ours, from within the worker. Outside of any transaction: it makes and
// commits its own. Takes what time it takes; a request to stop cancels it. Readers and writers go
// on meanwhile.
#pragma once

#include <span>

#include "pg/postgres.hpp"

namespace keypool::worker {

// With their indexes and TOAST tables; pages at the end are kept, for what lies in a file cannot be
// wiped once the file is cut. False: it failed, of which keypool.worker_status tells.
bool vacuum(std::span<const Oid> tables);

}  // namespace keypool::worker
