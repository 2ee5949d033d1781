#include "route.hpp"

namespace stand_in {

namespace {

Endpoint openai_endpoint(std::string_view provider, std::string_view method,
                         std::string_view rest) {
  if (method == "POST") {
    return rest.ends_with("/chat/completions") ? Endpoint::kChat : Endpoint::kNotFound;
  }
  if (method != "GET") return Endpoint::kNotFound;
  if (rest.ends_with("/models")) return Endpoint::kModels;
  if (provider == "openrouter" && rest == "/api/v1/key") return Endpoint::kKeyInfo;
  if (provider == "deepseek" && rest == "/user/balance") return Endpoint::kBalance;
  if (provider == "huggingface" && rest == "/api/whoami-v2") return Endpoint::kWhoAmI;
  return Endpoint::kNotFound;
}

Endpoint anthropic_endpoint(std::string_view method, std::string_view rest) {
  if (method == "GET" && rest == "/v1/models") return Endpoint::kModels;
  if (method == "POST" && rest == "/v1/messages") return Endpoint::kChat;
  return Endpoint::kNotFound;
}

// Gemini names the model in the path: /v1beta/models/gemini-2.0-flash:generateContent.
void route_gemini(std::string_view method, std::string_view rest, Route& route) {
  constexpr std::string_view kModels = "/v1beta/models";
  constexpr std::string_view kVerb = ":generateContent";
  if (method == "GET" && rest == kModels) {
    route.endpoint = Endpoint::kModels;
    return;
  }
  if (method != "POST" || !rest.starts_with(kModels) || !rest.ends_with(kVerb)) return;
  rest.remove_prefix(kModels.size());
  rest.remove_suffix(kVerb.size());
  if (rest.size() < 2 || rest.front() != '/') return;
  route.endpoint = Endpoint::kChat;
  route.model = rest.substr(1);
}

}  // namespace

Route route_of(const Request& request) {
  Route route;
  std::string_view rest = request.path;
  if (rest.empty() || rest.front() != '/') return route;
  rest.remove_prefix(1);
  const auto slash = rest.find('/');
  route.provider = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);

  if (route.provider == "anthropic") {
    route.dialect = Dialect::kAnthropic;
    route.endpoint = anthropic_endpoint(request.method, rest);
  } else if (route.provider == "gemini") {
    route.dialect = Dialect::kGemini;
    route_gemini(request.method, rest, route);
  } else {
    route.endpoint = openai_endpoint(route.provider, request.method, rest);
  }
  return route;
}

}  // namespace stand_in
