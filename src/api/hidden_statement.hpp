// Keeps the text of the running statement out of sight while a function has a secret in hand.
//
// A call like add_key('openai', 'sk-…') has the secret in its own text, which Postgres would write
// to the log beside an error, show in pg_stat_activity, and, called from PL/pgSQL, quote in the
// error's context. Make one of these first thing in such a function: an error that leaves it
// carries no context, and the text is replaced for the rest of the statement, unless redaction has
// masked each secret in it (shown_statement.hpp). That leaves what redaction cannot know: secrets
// that come out of expressions, other functions' arguments, and keypool.redact = off.
#pragma once

#include <exception>

#include "api/shown_statement.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
}

namespace keypool::api {

class [[nodiscard]] HiddenStatement {
 public:
  // `shown` is what others see instead; it outlives the process's statements (a literal).
  explicit HiddenStatement(const char* shown)
      : context_(error_context_stack), exceptions_(std::uncaught_exceptions()) {
    // Replaced once a statement, not once a row.
    const bool out_of_sight = debug_query_string == shown || shown_statement_is_safe();
    error_context_stack = nullptr;
    if (out_of_sight) return;
    debug_query_string = shown;
    pg::call([shown] { pgstat_report_activity(STATE_RUNNING, shown); });
  }
  HiddenStatement(const HiddenStatement&) = delete;
  HiddenStatement& operator=(const HiddenStatement&) = delete;
  // On the way out by an exception the error has yet to be raised, without context; whoever
  // catches it restores the stack, as after any error.
  ~HiddenStatement() {
    if (std::uncaught_exceptions() == exceptions_) error_context_stack = context_;
  }

 private:
  ErrorContextCallback* context_;
  int exceptions_;
};

}  // namespace keypool::api
