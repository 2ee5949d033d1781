#include "core/failure_words.hpp"

#include <cstddef>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

struct Word {
  std::string_view text;
  FailureClass failure;
};

struct Hint {
  std::string_view text;
  int status;
};

using enum FailureClass;

constexpr Word kUnmistakable[] = {
    {"invalid_api_key", kCredential},
    {"authentication_error", kCredential},
    {"api_key_invalid", kCredential},
    {"api_key_expired", kCredential},
    {"expired_api_key", kCredential},
    {"invalid_authentication", kCredential},
    {"unauthenticated", kCredential},
    {"unauthorized", kCredential},
    {"account_deactivated", kCredential},
    {"insufficient_quota", kQuota},
    {"billing_hard_limit_reached", kQuota},
    {"billing_not_active", kQuota},
    {"billing_error", kQuota},
    {"insufficient_balance", kQuota},
    {"insufficient_credits", kQuota},
    {"payment_required", kQuota},
    {"rate_limit_error", kRateLimit},
    {"rate_limit_exceeded", kRateLimit},
    {"resource_exhausted", kRateLimit},
    {"too_many_requests", kRateLimit},
    {"rate_limited", kRateLimit},
    {"overloaded_error", kOverloaded},
    {"model_not_found", kModelAccess},
    {"model_not_found_error", kModelAccess},
    {"deployment_not_found", kModelAccess},
    {"unsupported_country_region_territory", kRegionBlocked},
    {"unsupported_country", kRegionBlocked},
    {"unsupported_region", kRegionBlocked},
};

constexpr Hint kHints[] = {
    {"invalid_request_error", 400},
    {"invalid_request", 400},
    {"invalid_argument", 400},
    {"bad_request", 400},
    {"bad_request_error", 400},
    {"validation_error", 400},
    {"context_length_exceeded", 400},
    {"content_filter", 400},
    {"content_policy_violation", 400},
    {"failed_precondition", 400},
    {"conflict_error", 409},
    {"request_too_large", 413},
    {"unprocessable_entity", 422},
    {"unprocessable_entity_error", 422},
    {"permission_error", 403},
    {"permission_denied", 403},
    {"permission_denied_error", 403},
    {"not_found", 404},
    {"not_found_error", 404},
    {"server_error", 500},
    {"internal_server_error", 500},
    {"internal_error", 500},
    {"internal", 500},
    {"api_error", 500},
    {"bad_gateway", 502},
    {"service_unavailable", 503},
    {"service_unavailable_error", 503},
    {"unavailable", 503},
    {"deadline_exceeded", 504},
    {"timed_out", 408},
    {"etimedout", 408},
    {"network_error", 408},
    {"dns_error", 408},
    {"enotfound", 408},
    {"tls_error", 408},
    {"ssl_error", 408},
    {"econnreset", 408},
    {"econnrefused", 408},
};

// Lower case. What follows is the provider's own text or the key it echoes.
constexpr Word kOpenings[] = {
    {"your credit balance is too low", kQuota},  // Anthropic, with status 400
    {"credit balance is too low", kQuota},
    {"insufficient balance", kQuota},  // DeepSeek
    {"insufficient credits", kQuota},  // OpenRouter
    {"billing hard limit has been reached", kQuota},
    {"incorrect api key provided", kCredential},  // OpenAI; xAI with status 400
    {"api key not valid", kCredential},           // Gemini, with status 400
    {"api key expired", kCredential},
    {"invalid api key", kCredential},
    {"user location is not supported", kRegionBlocked},  // Gemini, with status 400
    {"country, region, or territory not supported", kRegionBlocked},
};

constexpr bool is_separator(char c) noexcept {
  return c == '_' || c == '-' || c == '.' || c == ' ';
}

// Compares without case and separators. Linear, allocates nothing.
bool same_word(std::string_view a, std::string_view b) noexcept {
  std::size_t i = 0;
  std::size_t j = 0;
  while (true) {
    while (i < a.size() && is_separator(a[i])) ++i;
    while (j < b.size() && is_separator(b[j])) ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (lower(a[i++]) != lower(b[j++])) return false;
  }
}

bool starts_ignoring_case(std::string_view text, std::string_view start) noexcept {
  return text.size() >= start.size() && equal_ignoring_case(text.substr(0, start.size()), start);
}

bool contains_ignoring_case(std::string_view text, std::string_view part) noexcept {
  for (std::size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (starts_ignoring_case(text.substr(i), part)) return true;
  }
  return false;
}

}  // namespace

std::optional<FailureClass> unmistakable_word(std::string_view word) noexcept {
  for (const Word& known : kUnmistakable) {
    if (same_word(word, known.text)) return known.failure;
  }
  return std::nullopt;
}

std::optional<int> implied_status(std::string_view word) noexcept {
  for (const Hint& known : kHints) {
    if (same_word(word, known.text)) return known.status;
  }
  for (const std::string_view part : {"timeout", "time-out", "timed out", "connection"}) {
    if (contains_ignoring_case(word, part)) return 408;
  }
  return std::nullopt;
}

std::optional<FailureClass> unmistakable_opening(std::string_view message) noexcept {
  message = trimmed(message);
  for (const Word& known : kOpenings) {
    if (starts_ignoring_case(message, known.text)) return known.failure;
  }
  return std::nullopt;
}

bool names_model(std::string_view message) noexcept {
  constexpr std::string_view kModel = "model";
  for (std::size_t i = 0; i + kModel.size() <= message.size(); ++i) {
    if (!starts_ignoring_case(message.substr(i), kModel)) continue;
    const char before = i > 0 ? message[i - 1] : ' ';
    std::size_t end = i + kModel.size();
    if (end < message.size() && lower(message[end]) == 's') ++end;
    const char after = end < message.size() ? message[end] : ' ';
    const bool part_of_path_or_name = is_alnum(before) || before == '/' || before == '-' ||
                                      before == '_' || before == '.' || is_alnum(after) ||
                                      after == '_';
    if (!part_of_path_or_name) return true;
  }
  return false;
}

}  // namespace keypool::core
