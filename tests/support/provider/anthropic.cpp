// Anthropic's dialect.
#include "dialect.hpp"

#include <array>
#include <string>

#include "text.hpp"

namespace stand_in::anthropic {

namespace {

using nlohmann::json;

// The body repeats the id of the request-id header, so both are made here.
Answer error_answer(int status, const char* type, const std::string& message) {
  const std::string id = "req_011" + random_hex(21);
  Answer answer = json_answer(
      status,
      {{"type", "error"}, {"error", {{"type", type}, {"message", message}}}, {"request_id", id}});
  answer.add("request-id", id);
  return answer;
}

void add_limits(bool exhausted, std::int64_t reset_ms, Answer& answer) {
  struct Limit {
    const char* name;
    int most;
  };
  constexpr std::array<Limit, 4> kLimits = {{{"requests", 4'000},
                                             {"tokens", 480'000},
                                             {"input-tokens", 400'000},
                                             {"output-tokens", 80'000}}};
  const std::string reset = rfc3339_in(Seconds(whole_seconds(reset_ms)));
  for (const Limit& limit : kLimits) {
    const std::string prefix = std::string("anthropic-ratelimit-") + limit.name;
    answer.add(prefix + "-limit", std::to_string(limit.most));
    answer.add(prefix + "-remaining", std::to_string(exhausted ? 0 : limit.most - 1));
    answer.add(prefix + "-reset", reset);
  }
}

const std::string& models() {
  static const std::string kList =
      text_of({{"data", json::array({{{"type", "model"},
                                      {"id", "claude-sonnet-4-20250514"},
                                      {"display_name", "Claude Sonnet 4"},
                                      {"created_at", "2025-05-22T00:00:00Z"}},
                                     {{"type", "model"},
                                      {"id", "claude-3-5-haiku-20241022"},
                                      {"display_name", "Claude Haiku 3.5"},
                                      {"created_at", "2024-10-22T00:00:00Z"}}})},
               {"has_more", false},
               {"first_id", "claude-sonnet-4-20250514"},
               {"last_id", "claude-3-5-haiku-20241022"}});
  return kList;
}

json message(const Call& call) {
  return {{"id", "msg_01" + random_hex(22)},
          {"type", "message"},
          {"role", "assistant"},
          {"model", call.model},
          {"content", json::array({{{"type", "text"}, {"text", "Hello from the stand-in."}}})},
          {"stop_reason", "end_turn"},
          {"stop_sequence", nullptr},
          {"usage",
           {{"input_tokens", 12},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", 8},
            {"output_tokens", 10},
            {"service_tier", "standard"}}}};
}

Answer rate_limited(const Behaviour& behaviour) {
  Answer answer = error_answer(429, "rate_limit_error",
                               "This request would exceed your organization's rate limit of 4,000 "
                               "requests per minute.");
  if (behaviour.form != RetryForm::kNone) add_limits(true, behaviour.retry_after_ms, answer);
  add_retry_after(behaviour, answer);
  return answer;
}

Answer overloaded(const Behaviour& behaviour) {
  Answer answer = error_answer(529, "overloaded_error", "Overloaded");
  // Anthropic names no time with a 529; a test that wants one asks for it.
  if (behaviour.form != RetryForm::kUsual) add_retry_after(behaviour, answer);
  return answer;
}

Answer broken(int status) {
  const bool late = status == 408 || status == 504;
  return error_answer(status, late ? "timeout_error" : "api_error",
                      late ? "Request timed out" : "Internal server error");
}

}  // namespace

Answer success(const Call& call) {
  Answer answer;
  if (call.route.endpoint == Endpoint::kModels) {
    answer.body = models();
    answer.add("content-type", "application/json");
  } else {
    answer = json_answer(200, message(call));
  }
  answer.add("request-id", "req_011" + random_hex(21));
  answer.add("anthropic-organization-id", "00000000-0000-4000-8000-000000000000");
  add_limits(false, 1000, answer);
  return answer;
}

Answer failure(const Call& call, const Behaviour& behaviour) {
  switch (behaviour.kind) {
    case Kind::kRefuse:
      return error_answer(401, "authentication_error", "invalid x-api-key");
    case Kind::kEcho:
      return error_answer(401, "authentication_error",
                          "invalid x-api-key: " + std::string(call.key));
    case Kind::kPermission:
      return error_answer(403, "permission_error",
                          "Your API key does not have permission to use the specified resource.");
    case Kind::kRateLimit:
      return rate_limited(behaviour);
    case Kind::kQuota:
      return error_answer(400, "invalid_request_error",
                          "Your credit balance is too low to access the Anthropic API. Please go "
                          "to Plans & Billing to upgrade or purchase credits.");
    case Kind::kOverloaded:
      return overloaded(behaviour);
    case Kind::kModelNotFound:
      return error_answer(
          404, "not_found_error",
          "model: " + (call.model.empty() ? "claude-sonnet-4-20250514" : call.model));
    case Kind::kRegionBlocked:
      return error_answer(403, "forbidden", "Request not allowed");
    case Kind::kBadRequest:
      return error_answer(400, "invalid_request_error", "messages: Field required");
    default:
      return broken(behaviour.status);
  }
}

Answer fault(const Call&, Fault fault) {
  switch (fault) {
    case Fault::kKeyInUrl:
      return error_answer(401, "authentication_error", "API keys are not accepted in the URL");
    case Fault::kNoVersion:
      return error_answer(400, "invalid_request_error", "anthropic-version: header is required");
    case Fault::kNoSuchPath:
      return error_answer(404, "not_found_error", "Not Found");
    case Fault::kBodyNotJson:
      return error_answer(400, "invalid_request_error", "The request body is not valid JSON");
    default:
      return error_answer(401, "authentication_error", "x-api-key header is required");
  }
}

}  // namespace stand_in::anthropic
