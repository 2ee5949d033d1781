// The vocabulary of failure: what providers' codes and phrases, and callers' words, mean.
//
// A word is either unmistakable (it names the failure, whatever the status says) or it only implies
// an HTTP status (generic words such as "server_error", and words whose meaning depends on what
// they are about, such as "permission_error"). Words compare without case, '_', '-', '.' and space:
// "rate_limit_error", "RateLimitError" and "RATE-LIMIT-ERROR" are one.
// Pure functions: any thread, no lock, no throw. A new provider's word is one line in the .cpp.
#pragma once

#include <optional>
#include <string_view>

#include "core/failure.hpp"

namespace keypool::core {

// "insufficient_quota", "API_KEY_INVALID", "overloaded_error" …
std::optional<FailureClass> unmistakable_word(std::string_view word) noexcept;

// "invalid_request_error" → 400, "timeout" → 408 …; also any word with "timeout" or "connection" in
// it, since every HTTP client has its own name for those.
std::optional<int> implied_status(std::string_view word) noexcept;

// Some providers say it only in prose. Just the opening of a message counts: anything further in
// may be the caller's own text quoted back, and must not be able to disable a key.
std::optional<FailureClass> unmistakable_opening(std::string_view message) noexcept;

// Does the message speak of a model, as opposed to a path such as /v1/models?
bool names_model(std::string_view message) noexcept;

}  // namespace keypool::core
