// What the stand-in does with a key: answer well, refuse it, limit it, or misbehave.
//
// Parsed from the control API's JSON, which tests/support/README.md describes. parse_behaviour()
// throws ControlError with a message for the test's author; a Behaviour is a plain value.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace stand_in {

class ControlError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Kind {
  // The provider's own answers, worded in its dialect.
  kOk,
  kRefuse,
  kEcho,
  kPermission,
  kRestricted,
  kRateLimit,
  kQuota,
  kOverloaded,
  kError,
  kModelNotFound,
  kRegionBlocked,
  kBadRequest,
  // The network's and a broken server's, alike for all.
  kHang,
  kDrop,
  kGarbage,
  kHuge,
  kRedirect,
  kEndlessHeaders,
  kSlowBody,
};

// How an answer says when to come back.
enum class RetryForm {
  kUsual,         // what this provider does: Gemini in the body, the others in retry-after
  kSeconds,       // retry-after: 30
  kDate,          // retry-after: an HTTP date
  kMilliseconds,  // retry-after-ms: 30000
  kRetryDelay,    // google.rpc.RetryInfo in the body
  kReset,         // only the x-ratelimit-reset or anthropic-ratelimit-reset headers
  kNone,
};

struct Behaviour {
  Kind kind = Kind::kOk;
  int status = 0;             // error, garbage, redirect
  std::int64_t after_ms = 0;  // any kind: wait before answering
  std::int64_t retry_after_ms = 0;
  RetryForm form = RetryForm::kUsual;
  bool billing_limit = false;  // quota: OpenAI's 400 billing_hard_limit_reached instead of the 429
  std::uint64_t bytes = 0;     // huge, endless_headers: how many; slow_body: a second
  std::string to;              // redirect
};

// `description` is a name ("refuse") or an object with "kind" and that kind's own fields.
Behaviour parse_behaviour(const nlohmann::json& description);

}  // namespace stand_in
