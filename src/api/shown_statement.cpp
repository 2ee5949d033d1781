#include "api/shown_statement.hpp"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/ascii.hpp"
#include "core/redact.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "nodes/memnodes.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
}

namespace keypool::api {

namespace {

constinit std::vector<core::PreparedCall>* prepared = nullptr;

// What has been found in the client's text, so that it is read once a message, not once for each
// statement in it.
struct Examined {
  const char* text;
  TimestampTz message;
  bool safe;  // its calls hand over nothing but literals, which are masked, and parameters
};
constinit Examined examined = {};

// The text that stands in for the client's until that may be written to.
struct StandIn {
  const char* original;
  char* masked;
};
constinit StandIn stand_in = {};

bool is_examined(const char* text) noexcept {
  return examined.text == text && examined.message == GetCurrentStatementStartTimestamp();
}

void note_examined(const char* text, const core::SecretCalls& calls) noexcept {
  examined = {text, GetCurrentStatementStartTimestamp(), calls.any && calls.plain};
}

// The state stays, and so does the query's identifier, which a new text would clear.
void show_activity(const char* text) {
  if (MyBEEntry == nullptr) return;
  const auto query_id = pgstat_get_my_query_id();
  pgstat_report_activity(MyBEEntry->st_state, text);
  if (query_id != 0) pgstat_report_query_id(query_id, true);
}

// The server copies the text of a statement that is to be prepared before it analyzes it. Each Bind
// and Execute would show that copy.
void mask_prepared_copy(std::string_view text, std::vector<core::Hidden>& hidden) {
  for (MemoryContext context = CurrentMemoryContext->firstchild; context != nullptr;
       context = context->nextchild) {
    if (std::strcmp(context->name, "CachedPlanSource") != 0 || context->ident == nullptr) continue;
    if (context->ident == text.data() || context->ident != text) continue;
    core::mask_secrets(const_cast<char*>(context->ident), hidden);
  }
}

}  // namespace

core::SqlReading sql_reading() noexcept {
  core::SqlReading reading{.backslash_escapes = !standard_conforming_strings};
  if (prepared != nullptr) reading.prepared = *prepared;
  return reading;
}

void note_prepared(const char* name, std::string_view text) {
  core::SecretCalls calls;
  core::find_secret_calls(text, sql_reading(), calls);
  if (prepared == nullptr) {
    if (calls.parameters.empty()) return;
    prepared = new std::vector<core::PreparedCall>;
  }
  std::erase_if(*prepared, [name](const core::PreparedCall& call) { return call.name == name; });
  if (!calls.parameters.empty()) prepared->push_back({name, std::move(calls.parameters)});
}

bool is_clients_text(const char* text) noexcept {
  if (MyBackendType != B_BACKEND) return false;
  if (debug_query_string == text) return true;
  return stand_in.masked != nullptr && debug_query_string == stand_in.masked &&
         stand_in.original == text;
}

void mask_clients_text(const char* text) {
  if (is_examined(text)) return;
  core::SecretCalls calls;
  std::vector<core::Hidden> hidden = core::find_secrets(text, sql_reading(), &calls);
  if (!hidden.empty()) {
    mask_prepared_copy(text, hidden);
    core::mask_secrets(const_cast<char*>(text), hidden);
    debug_query_string = text;
    show_activity(text);
  }
  note_examined(text, calls);
}

char* masked_copy(const char* text, int begin, int length) {
  const char* const start = text + std::max(begin, 0);
  const std::string_view part =
      length > 0 ? std::string_view(start, static_cast<std::size_t>(length)) : start;
  std::vector<core::Hidden> hidden = core::find_secrets(part, sql_reading());
  if (hidden.empty()) return nullptr;
  char* const copy = pg::call([text] { return pstrdup(text); });
  return core::mask_secrets(copy + (start - text), hidden) ? copy : nullptr;
}

const char* statement_as_sent() noexcept {
  const bool masked = stand_in.masked != nullptr && debug_query_string == stand_in.masked;
  return masked ? stand_in.original : debug_query_string;
}

void mask_shown_statement() {
  const char* const text = debug_query_string;
  if (text == nullptr || text == stand_in.masked || is_examined(text)) return;
  std::vector<core::Hidden> hidden = core::find_secrets(text, sql_reading());
  if (hidden.empty()) return;
  char* const copy = strdup(text);
  if (copy == nullptr) throw std::bad_alloc();
  if (!core::mask_secrets(copy, hidden)) return std::free(copy);
  std::free(stand_in.masked);
  stand_in = {text, copy};
  debug_query_string = copy;
  show_activity(copy);
}

bool shown_statement_is_safe() {
  if (!pg::settings().redact || debug_query_string == nullptr) return false;
  if (!is_examined(debug_query_string)) {
    core::SecretCalls calls;
    core::find_secret_calls(debug_query_string, sql_reading(), calls);
    // Of a text that holds no secret itself, only parameters, nothing need have been masked.
    return calls.any && calls.plain &&
           (calls.hidden.empty() || !is_clients_text(debug_query_string));
  }
  return examined.safe;
}

}  // namespace keypool::api
