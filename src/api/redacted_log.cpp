#include "api/redacted_log.hpp"

#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "api/shown_statement.hpp"
#include "core/redact.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace keypool::api {

namespace {

constexpr std::string_view kWithheld = "[redacted]";

using Field = char* ErrorData::*;
constexpr std::array<Field, 6> kFields = {&ErrorData::message,    &ErrorData::detail,
                                          &ErrorData::detail_log, &ErrorData::hint,
                                          &ErrorData::context,    &ErrorData::internalquery};

const char* ellipsis() noexcept { return GetDatabaseEncoding() == PG_UTF8 ? "\u2026" : "..."; }

void replace(ErrorData& entry, Field field, std::string_view text) {
  void* const copy = MemoryContextAllocExtended(entry.assoc_context, text.size() + 1,
                                                MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
  if (copy == nullptr) throw std::bad_alloc();
  auto* const characters = static_cast<char*>(copy);
  *std::copy(text.begin(), text.end(), characters) = '\0';
  entry.*field = characters;
}

// Lines about what goes on tell only of themselves; those about something wrong quote other texts.
bool is_about_trouble(const ErrorData& entry) noexcept {
  return entry.elevel < LOG || entry.elevel >= NOTICE;
}

// False of nearly all that is logged: the line of a statement that shows nothing secret.
bool may_tell(const ErrorData& entry, const core::SqlReading& reading) noexcept {
  if (is_about_trouble(entry) || entry.detail_log != nullptr || entry.context != nullptr)
    return true;
  if (entry.detail != nullptr && std::strchr(entry.detail, '$') != nullptr) return true;
  for (const Field field : kFields) {
    if (entry.*field != nullptr && core::may_hold_secret(entry.*field, reading)) return true;
  }
  return false;
}

void learn(const ErrorData& entry, core::RedactedEntry& redacted) {
  const bool trouble = is_about_trouble(entry);
  // A line logged before may have had the shown text masked, where there is nothing to learn any
  // more.
  const char* const statement = statement_as_sent();
  if (statement != nullptr) redacted.learn(statement, trouble);
  for (const Field field : kFields) {
    if (entry.*field != nullptr) redacted.learn(entry.*field, trouble);
  }
}

// Errors that quote the value they are about, which then is secret or half a secret.
void withhold_values(ErrorData& entry, const core::RedactedEntry& redacted) {
  const bool bad_document = redacted.has_document_parameter() &&
                            ERRCODE_TO_CATEGORY(entry.sqlerrcode) == ERRCODE_DATA_EXCEPTION;
  const bool of_webhook =
      entry.table_name != nullptr && std::strcmp(entry.table_name, "alert_webhooks") == 0;
  if (entry.detail != nullptr && (bad_document || of_webhook)) {
    replace(entry, &ErrorData::detail, kWithheld);
  }
  if (entry.context != nullptr && bad_document) replace(entry, &ErrorData::context, kWithheld);
}

void redact_fields(ErrorData& entry) {
  const core::SqlReading reading = sql_reading();
  if (!may_tell(entry, reading)) return;
  core::RedactedEntry redacted(reading);
  learn(entry, redacted);
  for (const Field field : kFields) {
    if (entry.*field == nullptr) continue;
    const std::optional<std::string> text = redacted.hide(entry.*field, ellipsis());
    if (text) replace(entry, field, *text);
  }
  withhold_values(entry, redacted);
}

// The statement comes last: the texts above may quote it as it was.
void redact(ErrorData& entry) {
  redact_fields(entry);
  if (!entry.hide_stmt) mask_shown_statement();
}

void withhold(ErrorData& entry) noexcept {
  constexpr std::string_view kNoMemory = "[withheld: out of memory]";
  for (const Field field : kFields) {
    char* const text = entry.*field;
    if (text == nullptr) continue;
    const std::size_t length = std::min(std::strlen(text), kNoMemory.size());
    std::memcpy(text, kNoMemory.data(), length);
    text[length] = '\0';
  }
  entry.hide_stmt = true;
}

}  // namespace

void redact_log_entry(ErrorData& entry) noexcept {
  try {
    redact(entry);
  } catch (...) {
    withhold(entry);
  }
}

}  // namespace keypool::api
