#include "store/audit.hpp"

#include <optional>

#include "core/audit_entry.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"
#include "store/audit_board.hpp"
#include "store/audit_caller.hpp"
#include "store/audit_chain.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
}

namespace keypool::store {

namespace {

// Of the running transaction; null when it has nothing to tell.
core::PendingAudit* pending = nullptr;
constinit const char* running_action = nullptr;

core::PendingAudit& begin_pending() {
  if (pending == nullptr) pending = new core::PendingAudit;
  return *pending;
}

void forget_pending() noexcept {
  delete pending;
  pending = nullptr;
}

// As the table will hold it and the chain has it hashed.
std::string as_jsonb(const std::string& json) {
  if (json.empty()) return {};
  const char* text = json.c_str();
  return pg::call([text] {
    Jsonb* value = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
    return JsonbToCString(nullptr, &value->root, VARSIZE(value));
  });
}

core::AuditEntry entry_of(const AuditEvent& event) {
  bool changed = false;
  const core::AuditCaller& caller = audit_caller(changed);
  core::AuditEntry entry;
  entry.at = GetCurrentTimestamp();
  entry.action = event.action;
  entry.outcome = "ok";
  entry.session_role = role_name(caller.session_role);
  entry.acting_role = role_name(caller.acting_role);
  entry.client_address = caller.address.view();
  entry.application = caller.application.view();
  entry.key_id = event.key_id;
  entry.provider = event.provider;
  entry.details = as_jsonb(event.details);
  return entry;
}

bool is_installed() {
  try {
    return catalog().audit_log != InvalidOid;
  } catch (const core::Error&) {
    return false;  // dropped in this very transaction
  }
}

void write_pending() {
  const std::vector<core::AuditEntry> entries = pending->take_all();
  if (is_installed()) append_to_chain(entries);
}

void refuse_prepare() {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("cannot prepare a transaction with entries for the audit log"),
                  errhint("Manage keys in a transaction of its own.")));
}

void at_transaction_event(XactEvent event, void*) {
  if (pending == nullptr) return;
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
      if (!pending->empty()) pg::barrier([] { write_pending(); });
      break;
    case XACT_EVENT_PRE_PREPARE:
      if (!pending->empty()) refuse_prepare();
      break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      forget_pending();
      break;
    default:
      break;
  }
}

void at_subtransaction_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (pending == nullptr) return;
  const int level = GetCurrentTransactionNestLevel();
  if (event == SUBXACT_EVENT_COMMIT_SUB) pending->release(level);
  if (event == SUBXACT_EVENT_ABORT_SUB) pending->roll_back(level);
}

}  // namespace

void install_audit() {
  RegisterXactCallback(at_transaction_event, nullptr);
  RegisterSubXactCallback(at_subtransaction_event, nullptr);
}

void note_audit(const AuditEvent& event) {
  if (RecoveryInProgress()) return note_attempt(event.action, event.key_id, event.provider, 0);
  core::AuditEntry entry = entry_of(event);
  begin_pending().add(GetCurrentTransactionNestLevel(), std::move(entry));
}

void note_row_audit(const AuditEvent& event) {
  core::AuditEntry entry = entry_of(event);
  begin_pending().add_row(GetCurrentTransactionNestLevel(), std::move(entry));
}

void note_attempt(std::string_view action, std::int64_t key_id, std::string_view provider,
                  int sqlstate) noexcept {
  try {
    core::AuditDeed deed = {};
    deed.action.assign(action);
    // It may be anything, a secret in the wrong place too.
    deed.provider.assign(plain_text(provider));
    deed.sqlstate = sqlstate;
    note_deed(deed, key_id, GetCurrentTimestamp());
  } catch (...) {
    // Out of memory: the error that is under way says so itself.
    return;
  }
}

void note_check(std::int64_t key_id, std::string_view provider, int sqlstate) noexcept {
  const auto mode = static_cast<pg::PickAudit>(pg::settings().audit_picks);
  if (sqlstate == 0 && mode == pg::PickAudit::kOff) return;
  note_attempt("check", key_id, provider, sqlstate);
}

std::string_view outcome_of(int sqlstate) noexcept {
  if (sqlstate == 0) return "ok";
  return sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE ? "denied" : "failed";
}

RunningAction::RunningAction(const char* name) noexcept : outer_(running_action) {
  running_action = name;
}
RunningAction::~RunningAction() { running_action = outer_; }
const char* RunningAction::name() noexcept { return running_action; }

}  // namespace keypool::store
