// What OpenAI-compatible providers say in their own words.
#include "dialect.hpp"

#include <optional>

#include "text.hpp"

namespace stand_in::compatible {

namespace {

using nlohmann::json;

void replace(int status, const json& body, Answer& answer) {
  answer.status = status;
  answer.body = text_of(body);
}

// Bodies of a 401 that are not OpenAI's. Some are not objects under "error" at all, which is what
// makes them worth imitating.
std::optional<json> refusal_of(std::string_view provider, std::string_view key) {
  if (provider == "groq") {
    return json{{"error",
                 {{"message", "Invalid API Key"},
                  {"type", "invalid_request_error"},
                  {"code", "invalid_api_key"}}}};
  }
  if (provider == "deepseek") {
    const std::string tail(key.size() < 16 ? std::string_view{} : key.substr(key.size() - 4));
    return json{{"error",
                 {{"message", "Authentication Fails, Your api key: ****" + tail + " is invalid"},
                  {"type", "authentication_error"},
                  {"param", nullptr},
                  {"code", "invalid_request_error"}}}};
  }
  if (provider == "openrouter") {
    return json{{"error", {{"message", "No auth credentials found"}, {"code", 401}}}};
  }
  if (provider == "huggingface") return json{{"error", "Invalid username or password."}};
  if (provider == "mistral") return json{{"detail", "Unauthorized"}};
  if (provider == "cohere") return json{{"message", "invalid api token"}};
  if (provider == "azure_openai") {
    return json{{"error",
                 {{"code", "401"},
                  {"message",
                   "Access denied due to invalid subscription key or wrong API endpoint. Make "
                   "sure to provide a valid key for an active subscription and use a correct "
                   "regional API endpoint for your resource."}}}};
  }
  return std::nullopt;
}

// Prepaid accounts answer 402 when they are empty.
std::optional<json> empty_account_of(std::string_view provider) {
  if (provider == "deepseek") {
    return json{{"error",
                 {{"message", "Insufficient Balance"},
                  {"type", "unknown_error"},
                  {"param", nullptr},
                  {"code", "invalid_request_error"}}}};
  }
  if (provider == "openrouter") {
    return json{{"error", {{"message", "Insufficient credits"}, {"code", 402}}}};
  }
  return std::nullopt;
}

}  // namespace

void reword(const Call& call, const Behaviour& behaviour, Answer& answer) {
  if (behaviour.kind == Kind::kRefuse) {
    if (const auto body = refusal_of(call.route.provider, call.key)) replace(401, *body, answer);
  } else if (behaviour.kind == Kind::kQuota && !behaviour.billing_limit) {
    if (const auto body = empty_account_of(call.route.provider)) replace(402, *body, answer);
  }
}

Answer account(const Call& call) {
  if (call.route.endpoint == Endpoint::kKeyInfo) {
    return json_answer(200, {{"data",
                              {{"label", hint_of(call.key)},
                               {"limit", 100},
                               {"usage", 25.5},
                               {"limit_remaining", 74.5},
                               {"is_free_tier", false},
                               {"rate_limit", {{"requests", 200}, {"interval", "10s"}}}}}});
  }
  if (call.route.endpoint == Endpoint::kBalance) {
    return json_answer(200, {{"is_available", true},
                             {"balance_infos", json::array({{{"currency", "USD"},
                                                             {"total_balance", "110.00"},
                                                             {"granted_balance", "10.00"},
                                                             {"topped_up_balance", "100.00"}}})}});
  }
  return json_answer(200, {{"type", "user"},
                           {"id", "stand-in"},
                           {"name", "stand-in"},
                           {"fullname", "Stand In"},
                           {"auth",
                            {{"type", "access_token"},
                             {"accessToken", {{"displayName", "stand-in"}, {"role", "read"}}}}}});
}

}  // namespace stand_in::compatible
