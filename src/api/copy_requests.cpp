#include "api/copy_requests.hpp"

#include <cstdint>
#include <utility>

#include "pg/postgres.hpp"

extern "C" {
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_policy.h"
#include "commands/copy.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "rewrite/rowsecurity.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
}

namespace keypool::api {

namespace {

constexpr const char* kLog = "chat_completion_requests";
constexpr const char* kSchema = "keypool";

ProcessUtility_hook_type next_utility = nullptr;

// Nothing in this file owns anything: an error of the server may jump over it.

const CopyStmt* copy_from_client(const PlannedStmt* planned) {
  if (!IsA(planned->utilityStmt, CopyStmt)) return nullptr;
  const auto* copy = reinterpret_cast<const CopyStmt*>(planned->utilityStmt);
  const bool plain = copy->is_from && copy->filename == nullptr && !copy->is_program &&
                     copy->whereClause == nullptr && copy->relation != nullptr;
  return plain && strcmp(copy->relation->relname, kLog) == 0 ? copy : nullptr;
}

bool is_true(const Expr* condition) {
  if (condition == nullptr || !IsA(condition, Const)) return false;
  const auto* constant = reinterpret_cast<const Const*>(condition);
  return constant->consttype == BOOLOID && !constant->constisnull &&
         DatumGetBool(constant->constvalue);
}

bool is_for_everybody(const RowSecurityPolicy& policy) {
  const auto* roles = reinterpret_cast<const Oid*>(ARR_DATA_PTR(policy.roles));
  return ARR_DIMS(policy.roles)[0] > 0 && roles[0] == ACL_ID_PUBLIC;
}

// Whether any row may be inserted by anybody who may insert.
bool policies_let_all_in(Relation table) {
  const RowSecurityDesc* security = table->rd_rsdesc;
  const bool others_decide = row_security_policy_hook_permissive != nullptr ||
                             row_security_policy_hook_restrictive != nullptr;
  if (security == nullptr || others_decide) return false;
  bool let_in = false;
  ListCell* cell = nullptr;
  foreach (cell, security->policies) {
    const auto* policy = static_cast<const RowSecurityPolicy*>(lfirst(cell));
    if (policy->polcmd != ACL_INSERT_CHR && policy->polcmd != '*') continue;
    if (!policy->permissive) return false;
    if (is_for_everybody(*policy) && is_true(policy->with_check_qual)) let_in = true;
  }
  return let_in;
}

// Locked as COPY locks it, so that neither its policies nor its name can change any more; nullptr,
// and unlocked, when that table is not the log or the server need not be helped.
Relation open_bound_log(const CopyStmt& copy) {
  const Oid log = get_relname_relid(kLog, get_namespace_oid(kSchema, true));
  if (log == InvalidOid || RangeVarGetRelid(copy.relation, NoLock, true) != log) return nullptr;
  if (check_enable_rls(log, InvalidOid, true) != RLS_ENABLED) return nullptr;
  Relation table = table_openrv(copy.relation, RowExclusiveLock);
  if (RelationGetRelid(table) == log && policies_let_all_in(table)) return table;
  table_close(table, RowExclusiveLock);
  return nullptr;
}

template <typename Set>
void add_columns(Set*& set, List* columns) {
  ListCell* cell = nullptr;
  foreach (cell, columns) {
    set = bms_add_member(set, lfirst_int(cell) - FirstLowInvalidHeapAttributeNumber);
  }
}

// Since 16 the privileges that are asked for stand beside the range table.
template <typename State, typename Item>
void require_insert(State* state, Item* item, List* columns) {
  if constexpr (requires { item->p_perminfo; }) {
    item->p_perminfo->requiredPerms = ACL_INSERT;
    add_columns(item->p_perminfo->insertedCols, columns);
    ExecCheckPermissions(state->p_rtable, list_make1(item->p_perminfo), true);
  } else {
    item->p_rte->requiredPerms = ACL_INSERT;
    add_columns(item->p_rte->insertedCols, columns);
    ExecCheckRTPerms(state->p_rtable, true);
  }
}

std::uint64_t copy_in(ParseState* state, const CopyStmt& copy, Relation table) {
  ParseNamespaceItem* item =
      addRangeTableEntryForRelation(state, table, RowExclusiveLock, nullptr, false, false);
  require_insert(state, item, CopyGetAttnums(RelationGetDescr(table), table, copy.attlist));
  if (XactReadOnly) PreventCommandIfReadOnly("COPY FROM");
  CopyFromState from =
      BeginCopyFrom(state, table, nullptr, nullptr, false, nullptr, copy.attlist, copy.options);
  const std::uint64_t rows = CopyFrom(from);
  EndCopyFrom(from);
  return rows;
}

void process_utility(PlannedStmt* planned, const char* text, bool read_only_tree,
                     ProcessUtilityContext context, ParamListInfo parameters,
                     QueryEnvironment* environment, DestReceiver* destination,
                     QueryCompletion* completion) {
  const CopyStmt* copy = copy_from_client(planned);
  Relation table = copy != nullptr ? open_bound_log(*copy) : nullptr;
  if (table == nullptr) {
    const auto next = next_utility != nullptr ? next_utility : standard_ProcessUtility;
    next(planned, text, read_only_tree, context, parameters, environment, destination, completion);
    return;
  }
  ParseState* state = make_parsestate(nullptr);
  state->p_sourcetext = text;
  state->p_queryEnv = environment;
  const std::uint64_t rows = copy_in(state, *copy, table);
  table_close(table, NoLock);
  if (completion != nullptr) SetQueryCompletion(completion, CMDTAG_COPY, rows);
  free_parsestate(state);
  CommandCounterIncrement();
}

}  // namespace

void install_copy_requests() { next_utility = std::exchange(ProcessUtility_hook, process_utility); }

}  // namespace keypool::api
