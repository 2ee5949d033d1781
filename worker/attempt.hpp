// A piece of a duty's work that may fail: a transaction of its own, acting as the tables' owner.
//
// Outside of any transaction. Its failure is noted for keypool.worker_status, and undone; whoever
// asked tries again later.
#pragma once

#include "pg/owner.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/worker_board.hpp"

namespace keypool::worker {

// True: committed.
template <typename Body>
bool attempt(Body body) {
  const auto problem = pg::run_transaction([&] {
    const pg::ActAs owner(store::catalog().owner);
    body();
  });
  if (problem.has_value()) store::note_worker_error(problem->message);
  return !problem.has_value();
}

}  // namespace keypool::worker
