#include "api/redaction.hpp"

#include <utility>

#include "api/redacted_log.hpp"
#include "api/shown_statement.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
}

namespace keypool::api {

namespace {

shmem_startup_hook_type next_startup = nullptr;
emit_log_hook_type next_log = nullptr;
post_parse_analyze_hook_type next_analysis = nullptr;
ProcessUtility_hook_type next_utility = nullptr;
bool installed = false;  // memory is set up again after a crash, in the same process

void emit_log(ErrorData* entry) {
  if (pg::settings().redact) redact_log_entry(*entry);
  if (next_log != nullptr) next_log(entry);
}

// Only the text that the client has sent is known to be writable; of any other, which may be a
// constant of some library's, those who come after us see a copy.
void mask_source(ParseState& state, const Query& query) {
  const char* const text = state.p_sourcetext;
  if (text == nullptr) return;
  if (is_clients_text(text)) return mask_clients_text(text);
  char* const copy = masked_copy(text, query.stmt_location, query.stmt_len);
  if (copy != nullptr) state.p_sourcetext = copy;
}

void after_analysis(ParseState* state, Query* query, JumbleState* jumble) {
  pg::barrier([state, query] {
    if (query->utilityStmt != nullptr && IsA(query->utilityStmt, PrepareStmt) &&
        state->p_sourcetext != nullptr) {
      note_prepared(reinterpret_cast<PrepareStmt*>(query->utilityStmt)->name, state->p_sourcetext);
    }
    if (pg::settings().redact) mask_source(*state, *query);
  });
  if (next_analysis != nullptr) next_analysis(state, query, jumble);
}

// A client's text is masked by now; that of a utility statement within a function is not.
void process_utility(PlannedStmt* statement, const char* text, bool read_only,
                     ProcessUtilityContext context, ParamListInfo params,
                     QueryEnvironment* environment, DestReceiver* receiver,
                     QueryCompletion* completion) {
  if (pg::settings().redact && context != PROCESS_UTILITY_TOPLEVEL) {
    char* const copy = pg::barrier([statement, text] {
      return masked_copy(text, statement->stmt_location, statement->stmt_len);
    });
    if (copy != nullptr) text = copy;
  }
  (next_utility != nullptr ? next_utility : standard_ProcessUtility)(
      statement, text, read_only, context, params, environment, receiver, completion);
}

void install_hooks() {
  if (next_startup != nullptr) next_startup();
  if (std::exchange(installed, true)) return;
  next_log = std::exchange(emit_log_hook, emit_log);
  next_analysis = std::exchange(post_parse_analyze_hook, after_analysis);
  next_utility = std::exchange(ProcessUtility_hook, process_utility);
}

}  // namespace

void install_redaction() { next_startup = std::exchange(shmem_startup_hook, install_hooks); }

}  // namespace keypool::api
