#include "core/answer.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/answer_body.hpp"
#include "core/ascii.hpp"
#include "core/failure_words.hpp"
#include "core/scrub.hpp"

namespace keypool::core {
namespace {

using enum FailureClass;

constexpr std::size_t kMostCode = 64;
constexpr std::size_t kMostMessage = 200;

bool is_success(int status) noexcept { return status >= 200 && status < 300; }

// An answer with all that was read from it: what the steps below look at.
struct Evidence {
  const Answer& answer;
  const AnswerBody& body;
  const RateLimits& limits;
  int status;  // the HTTP status, or the one the body gives in its stead

  bool about_model() const noexcept { return body.about_model || names_model(body.message); }
  bool asks_to_wait() const noexcept { return limits.retry_at || body.retry_delay; }
};

std::optional<FailureClass> by_provider_word(const Evidence& evidence) {
  for (const std::string& word : evidence.body.words) {
    if (const auto failure = unmistakable_word(word)) return failure;
  }
  return unmistakable_opening(evidence.body.message);
}

std::optional<FailureClass> by_caller_word(std::string_view error_type) {
  const auto named = failure_from_name(error_type);
  if (named && *named != kNone && *named != kUnknown) return named;
  return unmistakable_word(error_type);
}

// 403 is for anything a provider or a gateway in between dislikes: it takes a word to blame the
// key. 520 to 526 are Cloudflare's, which stands before several providers, for a server it could
// not reach or not understand.
FailureClass by_status(int status, const Evidence& evidence, bool permission_word) {
  switch (status) {
    case 400:
    case 409:
    case 413:
    case 415:
    case 422:
      return kCallerFault;
    case 401:
      return kCredential;
    case 402:
      return kQuota;
    case 403:
      if (evidence.about_model()) return kModelAccess;
      return permission_word ? kCredential : kUnknown;
    case 404:
      return evidence.about_model() ? kModelAccess : kCallerFault;
    case 429:
      return kRateLimit;
    case 503:
      return evidence.asks_to_wait() ? kOverloaded : kTransient;
    case 529:
      return kOverloaded;
    case 408:
    case 500:
    case 502:
    case 504:
      return kTransient;
    default:
      return status >= 520 && status <= 526 ? kTransient : kUnknown;
  }
}

// The statuses that the generic words stand for, the caller's first.
std::vector<int> implied_statuses(const Evidence& evidence) {
  std::vector<int> statuses;
  if (const auto status = implied_status(evidence.answer.error_type)) statuses.push_back(*status);
  for (const std::string& word : evidence.body.words) {
    if (const auto status = implied_status(word)) statuses.push_back(*status);
  }
  return statuses;
}

FailureClass judge(const Evidence& evidence) {
  if (const auto failure = by_provider_word(evidence)) return *failure;
  if (const auto failure = by_caller_word(evidence.answer.error_type)) return *failure;
  const std::string_view said = evidence.answer.error_type;
  const bool says_nothing = said.empty() || said == name(kNone);
  if (is_success(evidence.status) && says_nothing && !evidence.body.has_error) return kNone;
  const std::vector<int> implied = implied_statuses(evidence);
  const bool permission = std::find(implied.begin(), implied.end(), 403) != implied.end();
  const FailureClass judged = by_status(evidence.status, evidence, permission);
  if (judged != kUnknown || implied.empty()) return judged;
  return by_status(implied.front(), evidence, permission);
}

std::optional<Micros> retry_at(FailureClass failure, const Evidence& evidence, Micros now) {
  if (failure != kRateLimit && failure != kOverloaded && failure != kTransient) return std::nullopt;
  if (evidence.limits.retry_at) return evidence.limits.retry_at;
  if (evidence.body.retry_delay) return bounded_deadline(now, *evidence.body.retry_delay);
  // The reset headers tell about this key's limits, not about a provider in trouble.
  return failure == kRateLimit ? reset_of_tightest(evidence.limits) : std::nullopt;
}

// Gemini and OpenAI limit each model by itself and say so, OpenAI in the words
// "Rate limit reached for gpt-4o in organization …".
bool is_for_model(FailureClass failure, const Evidence& evidence) {
  if (failure == kModelAccess) return true;
  if (failure != kRateLimit) return false;
  constexpr std::string_view kOpening = "rate limit reached for ";
  const std::string_view message = evidence.body.message;
  const bool names_one = equal_ignoring_case(message.substr(0, kOpening.size()), kOpening) &&
                         !message.substr(kOpening.size()).starts_with("requests") &&
                         !message.substr(kOpening.size()).starts_with("tokens");
  return names_one || evidence.about_model();
}

// Scrubbed before anything else: the word comes from outside and may be an echoed key.
std::string clean_code(std::string_view word, std::string_view known_secret) {
  std::string code;
  for (const char c : scrub(word.substr(0, 1024), known_secret)) {
    const bool kept = is_alnum(c) || c == '_' || c == '.' || c == '-' || c == ' ';
    if (kept && code.size() < kMostCode) code += c == ' ' ? '_' : lower(c);
  }
  return code;
}

}  // namespace

Verdict classify(const Answer& answer, Micros now) {
  const bool succeeded = is_success(answer.http_status);
  const AnswerBody body = read_answer_body(answer.body, succeeded);
  const RateLimits limits = read_rate_limits(answer.headers, now);
  const bool body_status = body.status != 0 && (answer.http_status == 0 || succeeded);
  const Evidence evidence{.answer = answer,
                          .body = body,
                          .limits = limits,
                          .status = body_status ? body.status : answer.http_status};
  Verdict verdict;
  verdict.failure = judge(evidence);
  verdict.retry_at = retry_at(verdict.failure, evidence, now);
  verdict.for_model = is_for_model(verdict.failure, evidence);
  if (verdict.failure == kNone) return verdict;
  const std::string_view word =
      body.words.empty() ? answer.error_type : std::string_view(body.words.front());
  verdict.code = clean_code(word, answer.known_secret);
  verdict.message = scrub(body.message, answer.known_secret);
  cut_utf8(verdict.message, kMostMessage);
  return verdict;
}

}  // namespace keypool::core
