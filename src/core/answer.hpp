// Judges a provider's answer: which failure it is, until when to stay away, and whose fault it is.
//
// What decides, the first that knows:
//   1. an unmistakable code, or opening of the message, in the body: it is the provider's own word,
//      and providers disagree on statuses. Free text further in never counts: it may quote the
//      caller's request, and no caller may be able to disable a key.
//   2. error_type, if it is a class name of ours (but "none" and "unknown", which say nothing) or
//      an unmistakable code: a caller who has read the answer knows more than its status.
//   3. the HTTP status (a status given in the body stands in for a missing one, or for a 2xx).
//   4. generic words, those of error_type before those of the body: "timeout", "server_error" …
// A 2xx without any of these is no failure. Pure: any thread, no lock, throws only std::bad_alloc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/failure.hpp"
#include "core/headers.hpp"
#include "core/time.hpp"

namespace keypool::core {

struct Answer {
  int http_status = 0;  // 0: there was none
  std::string_view
      error_type;         // what the caller says: a class, a provider's code, a transport word
  std::string_view body;  // JSON, plain text, or empty
  std::span<const HeaderField> headers;
  std::string_view known_secret;  // the key that was sent, if at hand: taken out of the message
};

struct Verdict {
  FailureClass failure = FailureClass::kUnknown;
  // When to come back, if the answer says so: only for kRateLimit, kOverloaded and kTransient.
  std::optional<Micros> retry_at;
  bool for_model = false;  // concerns the requested model only, as far as the answer tells
  std::string code;        // the provider's own word, [a-z0-9_.-], at most 64 bytes; may be empty
  std::string message;     // scrubbed, one line, valid UTF-8, at most 200 bytes; may be empty
};

Verdict classify(const Answer& answer, Micros now);

}  // namespace keypool::core
