#include "api/utility.hpp"

#include <utility>

#include "store/forget.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"
}

namespace keypool::api {

namespace {

constexpr const char* kExtension = "pg_keypool";
constexpr const char* kDefaultTemplate = "template1";
constexpr int kPatienceMs = 5000;
constexpr int kLookAgainMs = 10;

ProcessUtility_hook_type next_utility = nullptr;
object_access_hook_type next_object_access = nullptr;

// What the running transaction did; drawn upon at its end.
struct Consequences {
  bool holds;         // workers were sent away
  Oid dropped;        // a database
  bool no_extension;  // the extension was dropped here
};
Consequences consequences = {};

bool may_create_databases() {
  HeapTuple role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
  if (!HeapTupleIsValid(role)) return false;
  const bool may = reinterpret_cast<Form_pg_authid>(GETSTRUCT(role))->rolcreatedb;
  ReleaseSysCache(role);
  return may || superuser();
}

enum class Use { kChange, kCopy };

// The database of that name if this user may change or copy it: nobody else shall be able to send
// its worker away. InvalidOid: the statement will fail, or is no concern of ours.
Oid permitted_database(const char* name, Use use) {
  const Oid database = get_database_oid(name, true);
  HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const auto* row = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
  const bool owner = has_privs_of_role(GetUserId(), row->datdba);
  const bool permitted = use == Use::kChange ? owner : owner || row->datistemplate;
  ReleaseSysCache(tuple);
  if (!permitted || (use == Use::kCopy && !may_create_databases())) return InvalidOid;
  return database;
}

const char* option(List* options, const char* name, const char* otherwise) {
  ListCell* cell = nullptr;
  foreach (cell, options) {
    auto* element = static_cast<DefElem*>(lfirst(cell));
    if (strcmp(element->defname, name) != 0) continue;
    return element->arg != nullptr ? defGetString(element) : otherwise;
  }
  return otherwise;
}

// The database that this statement needs without connections; InvalidOid for all but a few.
Oid wanted_database(Node* statement) {
  switch (nodeTag(statement)) {
    case T_DropdbStmt:
      return permitted_database(reinterpret_cast<DropdbStmt*>(statement)->dbname, Use::kChange);
    case T_CreatedbStmt: {
      auto* create = reinterpret_cast<CreatedbStmt*>(statement);
      return permitted_database(option(create->options, "template", kDefaultTemplate), Use::kCopy);
    }
    case T_RenameStmt: {
      auto* rename = reinterpret_cast<RenameStmt*>(statement);
      if (rename->renameType != OBJECT_DATABASE) return InvalidOid;
      return permitted_database(rename->subname, Use::kChange);
    }
    case T_AlterDatabaseStmt: {
      auto* alter = reinterpret_cast<AlterDatabaseStmt*>(statement);
      if (option(alter->options, "tablespace", nullptr) == nullptr) return InvalidOid;
      return permitted_database(alter->dbname, Use::kChange);
    }
    default:
      return InvalidOid;
  }
}

// Waits until the worker counts as connected no more. If that takes too long the statement goes on,
// and says itself who is in its way.
void send_worker_away(Oid database) {
  consequences.holds = true;
  store::hold_database(database);
  for (int waited = 0; waited < kPatienceMs && !store::worker_gone(database);
       waited += kLookAgainMs) {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLookAgainMs,
              PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

// Nothing here owns anything: an error of the statement may jump over it.
void process_utility(PlannedStmt* planned, const char* text, bool read_only_tree,
                     ProcessUtilityContext context, ParamListInfo parameters,
                     QueryEnvironment* environment, DestReceiver* destination,
                     QueryCompletion* completion) {
  const Oid wanted = wanted_database(planned->utilityStmt);
  const bool drops = IsA(planned->utilityStmt, DropdbStmt);
  if (wanted != InvalidOid) [[unlikely]]
    send_worker_away(wanted);
  const auto next = next_utility != nullptr ? next_utility : standard_ProcessUtility;
  next(planned, text, read_only_tree, context, parameters, environment, destination, completion);
  if (drops) consequences.dropped = wanted;
}

void object_access(ObjectAccessType access, Oid catalog, Oid object, int part, void* details) {
  if (next_object_access != nullptr) next_object_access(access, catalog, object, part, details);
  if (access != OAT_DROP || catalog != ExtensionRelationId) return;
  const char* name = get_extension_name(object);
  if (name != nullptr && strcmp(name, kExtension) == 0) consequences.no_extension = true;
}

void draw_consequences() noexcept {
  if (consequences.no_extension) {
    store::forget_keys(MyDatabaseId);
    store::wake_worker(MyDatabaseId);
  }
  if (consequences.dropped != InvalidOid) store::forget_database(consequences.dropped);
}

void at_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_PREPARE:
      // The callback at COMMIT PREPARED may run in another session, which knows of nothing.
      if (!consequences.no_extension) break;
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
               errmsg("cannot prepare a transaction that dropped extension \"%s\"", kExtension)));
      break;
    case XACT_EVENT_COMMIT:
      draw_consequences();
      [[fallthrough]];
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      if (consequences.holds) store::release_databases();
      if (consequences.dropped != InvalidOid) store::forget_worker(consequences.dropped);
      consequences = {};
      break;
    default:
      break;
  }
}

}  // namespace

void install_utility_hooks() {
  next_utility = std::exchange(ProcessUtility_hook, process_utility);
  next_object_access = std::exchange(object_access_hook, object_access);
  RegisterXactCallback(at_transaction_event, nullptr);
}

}  // namespace keypool::api
