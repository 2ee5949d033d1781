// OpenAI's dialect, which most providers speak.
#include "dialect.hpp"

#include <cstdio>
#include <ctime>
#include <string>

#include "text.hpp"

namespace stand_in::openai {

namespace {

using nlohmann::json;

constexpr int kRequestLimit = 10'000;
constexpr int kTokenLimit = 2'000'000;

json error_body(const std::string& message, const json& type, const json& code) {
  return {{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", code}}}};
}

Answer error_answer(int status, const std::string& message, const json& type, const json& code) {
  return json_answer(status, error_body(message, type, code));
}

// "sk-abcde****wxyz", as OpenAI quotes a key it refuses.
std::string starred(std::string_view key) {
  if (key.size() < 16) return "****";
  return std::string(key.substr(0, 8)) + "****" + std::string(key.substr(key.size() - 4));
}

// "120ms", "1.5s", "6m0s", "1h2m3s": the notation of Go's durations, which the reset headers use.
std::string go_duration(std::int64_t milliseconds) {
  if (milliseconds < 1000) return std::to_string(milliseconds) + "ms";
  std::string text;
  const std::int64_t minutes = milliseconds / 60'000;
  if (minutes >= 60) text += std::to_string(minutes / 60) + "h";
  if (minutes > 0) text += std::to_string(minutes % 60) + "m";
  text += std::to_string(milliseconds % 60'000 / 1000);
  if (const std::int64_t rest = milliseconds % 1000; rest != 0) {
    char digits[8];
    std::snprintf(digits, sizeof digits, ".%03d", static_cast<int>(rest));
    text += digits;
  }
  return text + "s";
}

void add_identity(Answer& answer) {
  answer.add("x-request-id", "req_" + random_hex(32));
  answer.add("openai-organization", "org-stand-in");
  answer.add("openai-processing-ms", "7");
  answer.add("openai-version", "2020-10-01");
}

void add_limits(const Call& call, bool exhausted, std::int64_t reset_ms, Answer& answer) {
  if (call.route.provider == "azure_openai") {  // says "unknown" this way
    answer.add("x-ratelimit-remaining-requests", "-1");
    answer.add("x-ratelimit-remaining-tokens", "0");
    return;
  }
  answer.add("x-ratelimit-limit-requests", std::to_string(kRequestLimit));
  answer.add("x-ratelimit-limit-tokens", std::to_string(kTokenLimit));
  answer.add("x-ratelimit-remaining-requests", std::to_string(exhausted ? 0 : kRequestLimit - 1));
  answer.add("x-ratelimit-remaining-tokens", std::to_string(kTokenLimit - 30));
  answer.add("x-ratelimit-reset-requests", go_duration(reset_ms));
  answer.add("x-ratelimit-reset-tokens", "1ms");
}

const json& models() {
  static const json kList = {{"object", "list"},
                             {"data", json::array({{{"id", "gpt-4o"},
                                                    {"object", "model"},
                                                    {"created", 1715367049},
                                                    {"owned_by", "system"}},
                                                   {{"id", "gpt-4o-mini"},
                                                    {"object", "model"},
                                                    {"created", 1721172741},
                                                    {"owned_by", "system"}}})}};
  return kList;
}

json completion(const Call& call) {
  return {{"id", "chatcmpl-" + random_hex(24)},
          {"object", "chat.completion"},
          {"created", std::time(nullptr)},
          {"model", call.model},
          {"choices", json::array({{{"index", 0},
                                    {"message",
                                     {{"role", "assistant"},
                                      {"content", "Hello from the stand-in."},
                                      {"refusal", nullptr}}},
                                    {"logprobs", nullptr},
                                    {"finish_reason", "stop"}}})},
          {"usage",
           {{"prompt_tokens", 19},
            {"completion_tokens", 10},
            {"total_tokens", 29},
            {"prompt_tokens_details", {{"cached_tokens", 8}, {"audio_tokens", 0}}},
            {"completion_tokens_details", {{"reasoning_tokens", 0}, {"audio_tokens", 0}}}}},
          {"service_tier", "default"},
          {"system_fingerprint", "fp_stand_in"}};
}

Answer rate_limited(const Call& call, const Behaviour& behaviour) {
  Answer answer = error_answer(
      429,
      "Rate limit reached for " + (call.model.empty() ? std::string("gpt-4o") : call.model) +
          " in organization org-stand-in on requests per min (RPM): Limit 10000, Used 10000, "
          "Requested 1. Please try again in " +
          go_duration(behaviour.retry_after_ms) +
          ". Visit https://platform.openai.com/account/rate-limits to learn more.",
      "requests", "rate_limit_exceeded");
  if (behaviour.form != RetryForm::kNone) {
    add_limits(call, true, behaviour.retry_after_ms, answer);
  }
  add_retry_after(behaviour, answer);
  return answer;
}

Answer out_of_quota(const Behaviour& behaviour) {
  if (behaviour.billing_limit) {
    return error_answer(400, "Billing hard limit has been reached", "invalid_request_error",
                        "billing_hard_limit_reached");
  }
  return error_answer(429,
                      "You exceeded your current quota, please check your plan and billing "
                      "details. For more information on this error, read the docs: "
                      "https://platform.openai.com/docs/guides/error-codes/api-errors.",
                      "insufficient_quota", "insufficient_quota");
}

Answer refused(std::string_view quoted_key) {
  return error_answer(401,
                      "Incorrect API key provided: " + std::string(quoted_key) +
                          ". You can find your API key at "
                          "https://platform.openai.com/account/api-keys.",
                      "invalid_request_error", "invalid_api_key");
}

Answer broken(int status) {
  return error_answer(status,
                      status == 408 ? "Request timed out."
                                    : "The server had an error while processing your request. "
                                      "Sorry about that!",
                      status == 408 ? "timeout" : "server_error", nullptr);
}

Answer overloaded(const Behaviour& behaviour) {
  Answer answer = error_answer(503, "The engine is currently overloaded, please try again later",
                               "overloaded", nullptr);
  add_retry_after(behaviour, answer);
  return answer;
}

Answer worded(const Call& call, const Behaviour& behaviour) {
  switch (behaviour.kind) {
    case Kind::kRefuse:
      return refused(starred(call.key));
    case Kind::kEcho:
      return refused(call.key);
    case Kind::kPermission:
      return error_answer(403, "You are not allowed to use this API key.", "permission_error",
                          nullptr);
    case Kind::kRestricted:
      return error_answer(403,
                          "You have insufficient permissions for this operation. Missing scopes: "
                          "api.model.read. Check that you have the correct role in your "
                          "organization, and if you're using a restricted API key, that it has "
                          "the necessary scopes.",
                          "invalid_request_error", "missing_scope");
    case Kind::kRateLimit:
      return rate_limited(call, behaviour);
    case Kind::kQuota:
      return out_of_quota(behaviour);
    case Kind::kOverloaded:
      return overloaded(behaviour);
    case Kind::kModelNotFound:
      return error_answer(404,
                          "The model `" + (call.model.empty() ? "gpt-4o" : call.model) +
                              "` does not exist or you do not have access to it.",
                          "invalid_request_error", "model_not_found");
    case Kind::kRegionBlocked:
      return error_answer(403, "Country, region, or territory not supported", "request_forbidden",
                          "unsupported_country_region_territory");
    case Kind::kBadRequest:
      return error_answer(400, "Missing required parameter: 'messages'.", "invalid_request_error",
                          "missing_required_parameter");
    default:
      return broken(behaviour.status);
  }
}

}  // namespace

Answer success(const Call& call) {
  Answer answer;
  if (call.route.endpoint == Endpoint::kModels) {
    static const std::string kModels = text_of(models());
    answer.body = kModels;
    answer.add("content-type", "application/json");
  } else if (call.route.endpoint == Endpoint::kChat) {
    answer = json_answer(200, completion(call));
  } else {
    return compatible::account(call);
  }
  add_identity(answer);
  add_limits(call, false, 6, answer);
  return answer;
}

Answer failure(const Call& call, const Behaviour& behaviour) {
  Answer answer = worded(call, behaviour);
  add_identity(answer);
  compatible::reword(call, behaviour, answer);
  return answer;
}

Answer fault(const Call&, Fault fault) {
  switch (fault) {
    case Fault::kKeyInUrl:
      return error_answer(401, "API keys are not accepted in the URL.", "invalid_request_error",
                          nullptr);
    case Fault::kNoSuchPath:
      return error_answer(404, "Invalid URL", "invalid_request_error", nullptr);
    case Fault::kBodyNotJson:
      return error_answer(400, "We could not parse the JSON body of your request.",
                          "invalid_request_error", nullptr);
    default:
      return error_answer(401,
                          "You didn't provide an API key. You need to provide your API key in an "
                          "Authorization header using Bearer auth (i.e. Authorization: Bearer "
                          "YOUR_KEY).",
                          "invalid_request_error", nullptr);
  }
}

}  // namespace stand_in::openai
