// The text of the statement that runs, as others see it: debug_query_string, which the log's
// STATEMENT lines are written from, and pg_stat_activity.
//
// For the hooks of redaction.cpp and for HiddenStatement, in the process that runs the statement.
// No locks. Throw std::bad_alloc, and pg::PgError where said.
#pragma once

#include <string_view>

#include "core/secret_call.hpp"

namespace keypool::api {

// How this process reads SQL now, with the prepared statements it has been told of.
core::SqlReading sql_reading() noexcept;

// PREPARE has been analyzed: remembers which of its parameters are secrets.
void note_prepared(const char* name, std::string_view text);

// The text of the statement that a client has sent, still as the server has received it?
bool is_clients_text(const char* text) noexcept;

// That text has been parsed, nothing reads literals from it any more: masks it where it is, in the
// copy that a prepared statement of the protocol keeps, and in pg_stat_activity.
void mask_clients_text(const char* text);

// A copy with the secrets of [begin, begin + length) masked, null when there are none. A length of
// 0 means: to the end. Throws PgError.
char* masked_copy(const char* text, int begin, int length);

// What stands behind a masked copy, to learn from what an error may quote; null when none runs. It
// lasts as long as the statement does.
const char* statement_as_sent() noexcept;

// Before a STATEMENT line is written: others see a masked copy from here on if the text shows a
// secret. Also where no transaction runs; touches no memory of the server's.
void mask_shown_statement();

// True when redaction is on and has masked all that is secret in the text: it may be seen.
bool shown_statement_is_safe();

}  // namespace keypool::api
