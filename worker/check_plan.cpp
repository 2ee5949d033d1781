#include "worker/check_plan.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace keypool::worker {

namespace {

std::string_view credential_prefix(std::string_view auth_style) {
  if (auth_style == "bearer") return "Authorization: Bearer ";
  if (auth_style == "x-api-key") return "x-api-key: ";
  if (auth_style == "x-goog-api-key") return "x-goog-api-key: ";
  if (auth_style == "api-key") return "api-key: ";
  return {};
}

std::string joined(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + std::string(path);
}

}  // namespace

CheckPlan plan_check(const CheckTarget& target) {
  if (!target.check_path) return {{}, "The provider offers no check that is free of charge."};
  if (credential_prefix(target.auth_style).empty()) {
    return {{}, "Keys of this provider are verified here and sent nowhere."};
  }
  const std::string& path = *target.check_path;
  if (!path.starts_with('/')) {
    // The key of a server of one's own has no business at the public one.
    if (target.key_url) {
      return {{},
              "The key has a base_url of its own, and the provider's check does not follow it."};
    }
    return {path, {}};
  }
  const auto& base = target.key_url ? target.key_url : target.provider_url;
  if (!base) return {{}, "Neither the key nor its provider has a base_url."};
  return {joined(*base, path), {}};
}

core::Secret credential_line(std::string_view auth_style, std::string_view secret) {
  const bool printable =
      std::all_of(secret.begin(), secret.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (secret.empty() || !printable) {
    throw core::Error(core::ErrorCode::kInvalidKeyFormat,
                      "the key holds characters that no header can carry");
  }
  const std::string_view prefix = credential_prefix(auth_style);
  core::Secret line(prefix.size() + secret.size() + 1);
  const auto front = std::ranges::copy(core::bytes_of(prefix), line.data()).out;
  std::ranges::copy(core::bytes_of(secret), front);
  return line;
}

std::vector<std::string> further_headers(std::string_view auth_style) {
  std::vector<std::string> headers = {"Accept: application/json"};
  // Anthropic's style, and its API answers 400 to a request that names no version.
  if (auth_style == "x-api-key") headers.emplace_back("anthropic-version: 2023-06-01");
  return headers;
}

}  // namespace keypool::worker
