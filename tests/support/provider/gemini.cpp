// Gemini's dialect: google.rpc.Status as JSON.
#include "dialect.hpp"

#include <cstdio>
#include <string>

#include "text.hpp"

namespace stand_in::gemini {

namespace {

using nlohmann::json;

constexpr const char* kErrorInfo = "type.googleapis.com/google.rpc.ErrorInfo";

Answer error_answer(int code, const char* status, const std::string& message,
                    const json& details = nullptr) {
  json error = {{"code", code}, {"message", message}, {"status", status}};
  if (!details.is_null()) error["details"] = details;
  return json_answer(code, {{"error", error}});
}

json error_info(const char* reason) {
  return {{"@type", kErrorInfo},
          {"reason", reason},
          {"domain", "googleapis.com"},
          {"metadata", {{"service", "generativelanguage.googleapis.com"}}}};
}

Answer invalid_key(const std::string& message) {
  return error_answer(400, "INVALID_ARGUMENT", message,
                      json::array({error_info("API_KEY_INVALID")}));
}

// A protobuf Duration in JSON: "34s", "0.250s".
std::string duration(std::int64_t milliseconds) {
  std::string text = std::to_string(milliseconds / 1000);
  if (const std::int64_t rest = milliseconds % 1000; rest != 0) {
    char digits[8];
    std::snprintf(digits, sizeof digits, ".%03d", static_cast<int>(rest));
    text += digits;
  }
  return text + "s";
}

json quota_failure(const char* quota_id) {
  return {
      {"@type", "type.googleapis.com/google.rpc.QuotaFailure"},
      {"violations",
       json::array({{{"quotaMetric",
                      "generativelanguage.googleapis.com/generate_content_free_tier_requests"},
                     {"quotaId", quota_id},
                     {"quotaDimensions", {{"location", "global"}, {"model", "gemini-2.0-flash"}}},
                     {"quotaValue", "15"}}})}};
}

// The same words serve a minute's limit and a day's: only the details tell them apart.
Answer exhausted(const json& details) {
  return error_answer(429, "RESOURCE_EXHAUSTED",
                      "You exceeded your current quota, please check your plan and billing "
                      "details. For more information on this error, head to: "
                      "https://ai.google.dev/gemini-api/docs/rate-limits.",
                      details);
}

Answer rate_limited(const Behaviour& behaviour) {
  json details =
      json::array({quota_failure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")});
  const bool in_body =
      behaviour.form == RetryForm::kUsual || behaviour.form == RetryForm::kRetryDelay;
  if (in_body) {
    details.push_back({{"@type", "type.googleapis.com/google.rpc.RetryInfo"},
                       {"retryDelay", duration(behaviour.retry_after_ms)}});
  }
  Answer answer = exhausted(details);
  if (!in_body) add_retry_after(behaviour, answer);
  return answer;
}

Answer overloaded(const Behaviour& behaviour) {
  Answer answer =
      error_answer(503, "UNAVAILABLE", "The model is overloaded. Please try again later.");
  add_retry_after(behaviour, answer);
  return answer;
}

Answer broken(int status) {
  switch (status) {
    case 408:
    case 504:
      return error_answer(status, "DEADLINE_EXCEEDED",
                          "Deadline expired before operation could complete.");
    case 500:
      return error_answer(500, "INTERNAL", "An internal error has occurred. Please retry.");
    default:
      return error_answer(status, "UNAVAILABLE", "The service is currently unavailable.");
  }
}

const std::string& models() {
  static const std::string kList =
      text_of({{"models", json::array({{{"name", "models/gemini-2.0-flash"},
                                        {"version", "2.0"},
                                        {"displayName", "Gemini 2.0 Flash"},
                                        {"inputTokenLimit", 1048576},
                                        {"outputTokenLimit", 8192},
                                        {"supportedGenerationMethods",
                                         json::array({"generateContent", "countTokens"})}}})},
               {"nextPageToken", "c3RhbmQtaW4="}});
  return kList;
}

json content(const Call& call) {
  return {{"candidates",
           json::array({{{"content",
                          {{"parts", json::array({{{"text", "Hello from the stand-in."}}})},
                           {"role", "model"}}},
                         {"finishReason", "STOP"},
                         {"index", 0}}})},
          {"usageMetadata",
           {{"promptTokenCount", 12},
            {"candidatesTokenCount", 10},
            {"thoughtsTokenCount", 4},
            {"cachedContentTokenCount", 8},
            {"totalTokenCount", 26}}},
          {"modelVersion", call.model},
          {"responseId", random_hex(20)}};
}

}  // namespace

Answer success(const Call& call) {
  if (call.route.endpoint == Endpoint::kChat) return json_answer(200, content(call));
  Answer answer;
  answer.body = models();
  answer.add("content-type", "application/json; charset=UTF-8");
  return answer;
}

Answer failure(const Call& call, const Behaviour& behaviour) {
  switch (behaviour.kind) {
    case Kind::kRefuse:
      return invalid_key("API key not valid. Please pass a valid API key.");
    case Kind::kEcho:
      return invalid_key("API key not valid: " + std::string(call.key));
    case Kind::kPermission:
      return error_answer(403, "PERMISSION_DENIED",
                          "Requests to this API generativelanguage.googleapis.com are blocked.",
                          json::array({error_info("API_KEY_SERVICE_BLOCKED")}));
    case Kind::kRateLimit:
      return rate_limited(behaviour);
    case Kind::kQuota:
      return exhausted(
          json::array({quota_failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier")}));
    case Kind::kOverloaded:
      return overloaded(behaviour);
    case Kind::kModelNotFound:
      return error_answer(404, "NOT_FOUND",
                          "models/" + (call.model.empty() ? "gemini-2.0-flash" : call.model) +
                              " is not found for API version v1beta, or is not supported for "
                              "generateContent.");
    case Kind::kRegionBlocked:
      return error_answer(400, "FAILED_PRECONDITION",
                          "User location is not supported for the API use.");
    case Kind::kBadRequest:
      return error_answer(400, "INVALID_ARGUMENT",
                          "* GenerateContentRequest.contents: contents is not specified");
    default:
      return broken(behaviour.status);
  }
}

Answer fault(const Call&, Fault fault) {
  switch (fault) {
    case Fault::kKeyInUrl:
      return invalid_key("API keys are not accepted in the URL.");
    case Fault::kNoSuchPath:
      return error_answer(404, "NOT_FOUND", "Requested entity was not found.");
    case Fault::kBodyNotJson:
      return error_answer(400, "INVALID_ARGUMENT", "Invalid JSON payload received.");
    default:
      return error_answer(403, "PERMISSION_DENIED",
                          "Method doesn't allow unregistered callers (callers without established "
                          "identity). Please use API Key or other form of API consumer identity "
                          "to call this API.");
  }
}

}  // namespace stand_in::gemini
