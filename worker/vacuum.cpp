#include "worker/vacuum.hpp"

#include "pg/guard.hpp"
#include "pg/transaction.hpp"
#include "store/worker_board.hpp"
#include "worker/interruptible.hpp"
#include "worker/process.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/defrem.h"
#include "commands/vacuum.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "parser/parse_node.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

namespace keypool::worker {

namespace {

DefElem* option(const char* name, const char* value) {
  Node* argument = reinterpret_cast<Node*>(makeString(pstrdup(value)));
  return makeDefElem(pstrdup(name), argument, -1);
}

// Inside pg::call. As the parser would make it of VACUUM (INDEX_CLEANUP on, …) table, ….
VacuumStmt* statement(std::span<const Oid> tables) {
  VacuumStmt* made = makeNode(VacuumStmt);
  made->is_vacuumcmd = true;
  // Few dead rows are reason enough, and no helper is started for them.
  made->options =
      list_make3(option("index_cleanup", "on"), option("truncate", "off"),
                 makeDefElem(pstrdup("parallel"), reinterpret_cast<Node*>(makeInteger(0)), -1));
  for (const Oid table : tables) {
    made->rels = lappend(made->rels, makeVacuumRelation(nullptr, table, NIL));
  }
  return made;
}

// VACUUM ends the transaction it is called in, with its memory, and leaves another. So what it
// works with lives in a context of its own, which is also the one it takes for its portal's.
class [[nodiscard]] LastingMemory {
 public:
  explicit LastingMemory(MemoryContext parent)
      : outer_(CurrentMemoryContext), portal_(PortalContext) {
    own_ = pg::call([parent] {
      return AllocSetContextCreate(parent, "pg_keypool vacuum", ALLOCSET_DEFAULT_SIZES);
    });
    PortalContext = CurrentMemoryContext = own_;
  }
  LastingMemory(const LastingMemory&) = delete;
  LastingMemory& operator=(const LastingMemory&) = delete;
  ~LastingMemory() {
    PortalContext = portal_;
    CurrentMemoryContext = outer_;
    MemoryContextDelete(own_);
  }

 private:
  MemoryContext outer_;
  MemoryContext portal_;
  MemoryContext own_;
};

}  // namespace

bool vacuum(std::span<const Oid> tables) {
  const Interruptible while_it_lasts;
  const LastingMemory memory(TopMemoryContext);
  const MemoryContext lasting = CurrentMemoryContext;
  const auto problem = pg::run_transaction([&] {
    CurrentMemoryContext = lasting;
    pg::call([&] {
      ExecVacuum(make_parsestate(nullptr), statement(tables), true);
      // Whoever began the transaction takes back the snapshot he had pushed.
      PushActiveSnapshot(GetTransactionSnapshot());
    });
  });
  if (problem.has_value() && !asked_to_stop()) store::note_worker_error(problem->message);
  return !problem.has_value();
}

}  // namespace keypool::worker
