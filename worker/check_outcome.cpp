#include "worker/check_outcome.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/ascii.hpp"

namespace keypool::worker {

namespace {

constexpr std::size_t kMostFields = 64;

std::vector<core::HeaderField> fields_of(std::string_view lines) {
  std::vector<core::HeaderField> fields;
  while (!lines.empty() && fields.size() < kMostFields) {
    const std::size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines = end == std::string_view::npos ? std::string_view{} : lines.substr(end + 1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    fields.push_back({core::trimmed(line.substr(0, colon)), core::trimmed(line.substr(colon + 1))});
  }
  return fields;
}

// A portal or a proxy that answers 200 to everything must not bring a dead key back.
bool may_be_json(std::string_view body) {
  body = core::trimmed(body);
  return body.starts_with('{') || body.starts_with('[');
}

// OpenAI lets a key be restricted to some endpoints. One that may not list models is known to the
// provider all the same, which is what the check asks.
constexpr std::string_view kMayNotList = "missing_scope";

std::string_view explanation(std::string_view failure) {
  using namespace transport_failure;
  if (failure == kTimeout) return "no complete answer within keypool.request_timeout";
  if (failure == kConnection) return "the connection could not be made, or broke";
  if (failure == kTls) return "no trusted TLS connection could be made";
  if (failure == kDns) return "the name of the host could not be resolved";
  if (failure == kTooLarge) return "the answer was larger than any that makes sense";
  if (failure == kBadUrl) return "the URL made of base_url and check_path is not valid";
  if (failure == kBadProtocol) return "what answered does not speak HTTP";
  return "this server lacked memory or file descriptors for the request";
}

// The most telling thing at hand. The verdict's texts are scrubbed; an answer cut off by the
// transport says more by that than by what had arrived.
std::string error_text(const core::Verdict& verdict, const HttpAnswer& answer) {
  if (!answer.failure.empty()) return std::string(explanation(answer.failure));
  if (!verdict.message.empty()) return verdict.message;
  if (answer.status >= 300 && answer.status < 400) {
    return "the provider answered with a redirect, which is not followed";
  }
  if (answer.status >= 200 && answer.status < 300) return "the answer is not a provider's";
  if (!verdict.code.empty()) return verdict.code;
  return "HTTP status " + std::to_string(answer.status);
}

std::string_view status_of(core::ErrorCode code) {
  switch (code) {
    case core::ErrorCode::kRootKeyUnavailable:
      return "root_key_unavailable";
    case core::ErrorCode::kInvalidKeyFormat:
      return "invalid_key_format";
    default:
      return "decryption_failed";
  }
}

}  // namespace

CheckOutcome judge_check(std::int64_t key_id, const HttpAnswer& answer, std::string_view secret,
                         core::Micros now) {
  const std::vector<core::HeaderField> fields = fields_of(answer.headers);
  CheckOutcome outcome;
  outcome.key_id = key_id;
  core::Verdict& verdict = outcome.verdict;
  verdict = core::classify({.http_status = answer.status,
                            .error_type = answer.failure,
                            .body = answer.body,
                            .headers = fields,
                            .known_secret = secret},
                           now);
  if (verdict.failure == core::FailureClass::kNone && !may_be_json(answer.body)) {
    verdict.failure = core::FailureClass::kUnknown;
  }
  if (verdict.code == kMayNotList) verdict.failure = core::FailureClass::kNone;
  const bool passed = verdict.failure == core::FailureClass::kNone;
  store::CheckResult& result = outcome.result;
  result.key_id = key_id;
  result.healthy = passed;
  result.status = passed ? "ok" : core::name(verdict.failure);
  if (answer.status != 0) result.http_status = answer.status;
  result.latency_ms = static_cast<std::int32_t>(std::lround(answer.latency_ms));
  if (!passed) result.error = error_text(verdict, answer);
  result.checked_at = now;
  return outcome;
}

CheckOutcome unopened(std::int64_t key_id, const core::Error& error, core::Micros now) {
  CheckOutcome outcome;
  outcome.key_id = key_id;
  // No provider has said anything, so nothing happens to the key.
  outcome.verdict.failure = core::FailureClass::kUnknown;
  outcome.verdict.code = status_of(error.code());
  outcome.result = not_asked(key_id, outcome.verdict.code, error.message(), now);
  outcome.result.healthy = false;
  return outcome;
}

store::CheckResult not_asked(std::int64_t key_id, std::string status, std::string why,
                             core::Micros now) {
  store::CheckResult result;
  result.key_id = key_id;
  result.status = std::move(status);
  if (!why.empty()) result.error = std::move(why);
  result.checked_at = now;
  return result;
}

}  // namespace keypool::worker
