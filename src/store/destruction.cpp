#include "store/destruction.hpp"

#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
}

namespace keypool::store {

namespace {

struct Marks {
  core::Database* database;  // null: nothing
  bool written;
  bool died;
};
constinit Marks marks = {};

void at_transaction_event(XactEvent event, void*) {
  if (marks.database == nullptr) return;
  switch (event) {
    case XACT_EVENT_COMMIT:
      if (marks.died) report_deaths(*marks.database);
      break;
    // A prepared transaction is still running, and holds up the worker until it has ended.
    case XACT_EVENT_PREPARE:
    case XACT_EVENT_ABORT:
      report_deaths(*marks.database);
      break;
    default:
      return;
  }
  marks = {};
}

// What was written in a savepoint dies when that is rolled back, though the transaction goes on.
void at_savepoint_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (event == SUBXACT_EVENT_ABORT_SUB && marks.written) marks.died = true;
}

Marks& begin_marks() {
  if (marks.database == nullptr) marks.database = &current_database();
  return marks;
}

}  // namespace

void install_destruction() {
  RegisterXactCallback(at_transaction_event, nullptr);
  RegisterSubXactCallback(at_savepoint_event, nullptr);
}

void mark_ciphertext_died() { begin_marks().died = true; }

void mark_ciphertext_written() { begin_marks().written = true; }

// Every version that was ended so far was ended by a transaction below the next one.
void report_deaths(core::Database& database) noexcept {
  database.destruction.report(U64FromFullTransactionId(ReadNextFullTransactionId()), now());
  wake_worker(database.oid.load());
}

}  // namespace keypool::store
