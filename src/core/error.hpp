// What core throws: one exception type that carries everything an ereport needs.
//
// Thrown by core and by C++ code of the upper floors; pg::entry turns it into ereport(ERROR).
// A message names the thing, says what to do, and never holds a secret. Postgres's style:
// the message is lower case without a period, detail and hint are sentences.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace keypool::core {

// Each code has exactly one SQLSTATE (src/pg/error_map.hpp).
enum class ErrorCode {
  kNoKeyAvailable,      // KP001
  kLimitExceeded,       // KP002
  kInvalidKeyFormat,    // KP003
  kDecryptionFailed,    // KP004
  kRootKeyUnavailable,  // KP005
  kUnknownProvider,     // KP006
  kWorkerUnavailable,   // KP007
  kLeaseUnknown,        // KP008
  kInvalidArgument,     // 22023 invalid_parameter_value
  kDuplicateKey,        // 23505 unique_violation
  kForbidden,           // 42501 insufficient_privilege: refused, whoever asks
  kUndefinedKey,        // 42704 undefined_object: no key with this id
  kConfigurationLimit,  // 53400 configuration_limit_exceeded: a bounded table is full
  kTooLarge,            // 54000 program_limit_exceeded: a value over its limit
  kNotReady,            // 55000 object_not_in_prerequisite_state: not preloaded, in recovery …
  kInternal,            // XX000 internal_error: a bug
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string detail = {}, std::string hint = {})
      : code_(code),
        message_(std::move(message)),
        detail_(std::move(detail)),
        hint_(std::move(hint)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& detail() const noexcept { return detail_; }  // empty: none
  const std::string& hint() const noexcept { return hint_; }      // empty: none
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

}  // namespace keypool::core
