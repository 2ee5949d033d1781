#include "credential.hpp"

#include <algorithm>
#include <array>

namespace stand_in {

namespace {

constexpr std::string_view kBearer = "Bearer ";

std::string_view bearer_of(const Request& request) {
  std::string_view value = request.authorization;
  return value.starts_with(kBearer) ? value.substr(kBearer.size()) : std::string_view{};
}

std::string_view header_name_of(const Route& route) {
  if (route.dialect == Dialect::kAnthropic) return "x-api-key";
  if (route.dialect == Dialect::kGemini) return "x-goog-api-key";
  return route.provider == "azure_openai" ? "api-key" : "authorization";
}

}  // namespace

std::string_view credential_of(const Request& request, const Route& route) {
  const std::string_view name = header_name_of(route);
  if (name == "x-api-key") return request.x_api_key;
  if (name == "x-goog-api-key") return request.x_goog_api_key;
  return name == "api-key" ? request.api_key : bearer_of(request);
}

std::vector<std::string_view> credential_headers(const Request& request) {
  std::vector<std::string_view> names;
  if (!request.authorization.empty()) names.emplace_back("authorization");
  if (!request.x_api_key.empty()) names.emplace_back("x-api-key");
  if (!request.x_goog_api_key.empty()) names.emplace_back("x-goog-api-key");
  if (!request.api_key.empty()) names.emplace_back("api-key");
  return names;
}

bool key_is_in_url(const Request& request) {
  constexpr std::array<std::string_view, 6> kNames = {"key",    "api_key",      "api-key",
                                                      "apikey", "access_token", "token"};
  const std::array<std::string_view, 4> keys = {bearer_of(request), request.x_api_key,
                                                request.x_goog_api_key, request.api_key};
  const auto holds_key = [&](std::string_view text) {
    return std::ranges::any_of(keys, [&](std::string_view key) {
      return !key.empty() && text.find(key) != std::string_view::npos;
    });
  };
  if (holds_key(request.path)) return true;
  return std::ranges::any_of(request.arguments, [&](const auto& argument) {
    return std::ranges::find(kNames, argument.first) != kNames.end() ||
           holds_key(argument.second) || holds_key(argument.first);
  });
}

bool has_foreign_header(const Request& request, const Route& route) {
  const std::string_view own = header_name_of(route);
  return std::ranges::any_of(credential_headers(request),
                             [&](std::string_view name) { return name != own; });
}

}  // namespace stand_in
