// SQL functions whose failures are told in the audit log as well.
//
//   KEYPOOL_AUDITED_FUNCTION(rotate_key, rotate_key, kKeyId);   // instead of KEYPOOL_FUNCTION
//
// What goes well the function notes itself (store::note_audit), in its transaction. When it throws,
// the attempt is noted with its SQLSTATE and goes to the log by way of the worker. The third
// argument says what the function's first argument is. While it runs, rows that it writes count as
// its own deeds.
#pragma once

#include <cstddef>
#include <string>

#include "pg/args.hpp"
#include "store/audit.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

enum class AuditSubject { kNone, kKeyId, kProvider };

namespace detail {

// Inside a catch block.
void note_failure(const char* action, std::int64_t key_id, std::string_view provider) noexcept;

template <std::size_t kSize>
struct ActionName {
  constexpr ActionName(const char (&name)[kSize]) {
    for (std::size_t i = 0; i < kSize; ++i) text[i] = name[i];
  }
  char text[kSize];
};

}  // namespace detail

template <detail::ActionName kAction, AuditSubject kSubject, Datum (*kBody)(const pg::Args&)>
Datum audited(const pg::Args& args) {
  // Read before anything can fail: afterwards Postgres may not be called.
  std::int64_t key_id = 0;
  std::string provider;
  if constexpr (kSubject == AuditSubject::kKeyId) {
    key_id = args.optional<std::int64_t>(0).value_or(0);
  } else if constexpr (kSubject == AuditSubject::kProvider) {
    provider = args.optional<std::string_view>(0).value_or("").substr(0, 200);
  }
  const store::RunningAction running(kAction.text);
  try {
    return kBody(args);
  } catch (...) {
    detail::note_failure(kAction.text, key_id, provider);
    throw;
  }
}

}  // namespace keypool::api

#define KEYPOOL_AUDITED_FUNCTION(name, body, subject) \
  KEYPOOL_FUNCTION(name,                              \
                   (::keypool::api::audited<#name, ::keypool::api::AuditSubject::subject, body>))
