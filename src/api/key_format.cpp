#include "api/key_format.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "pg/regex.hpp"
#include "pg/settings.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

bool has_format_of(const ProviderFormat& provider, std::string_view secret) {
  return !provider.key_pattern || pg::regex_matches(*provider.key_pattern, secret);
}

// Names of the providers, but for this one, whose pattern the secret matches.
std::string others_that_fit(const ProviderNames& providers, const ProviderFormat& provider,
                            std::string_view secret) {
  std::string names;
  for (const ProviderFormat& other : providers.all()) {
    const bool counts = &other != &provider && other.key_pattern && has_format_of(other, secret);
    if (counts) names += (names.empty() ? "" : ", ") + other.name;
  }
  return names;
}

bool all_passed(const std::vector<core::SecretCheck>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const auto& check) { return check.ok; });
}

}  // namespace

std::vector<core::SecretCheck> check_format(const ProviderNames& providers,
                                            const ProviderFormat& provider,
                                            std::string_view secret) {
  std::vector<core::SecretCheck> checks = core::check_secret(secret);
  if (!all_passed(checks)) return checks;  // patterns are for text that can be a key
  const bool fits = has_format_of(provider, secret);
  checks.push_back(
      {"provider_format", fits, fits ? "" : "does not match the pattern " + *provider.key_pattern});
  if (!provider.key_pattern) return checks;
  const std::string others = others_that_fit(providers, provider, secret);
  std::string detail;
  if (!others.empty()) detail = (fits ? "also has the format of " : "has the format of ") + others;
  checks.push_back({"other_provider", fits || others.empty(), std::move(detail)});
  return checks;
}

void require_format(const ProviderNames& providers, const ProviderFormat& provider,
                    std::string_view secret) {
  for (const core::SecretCheck& check : core::check_secret(secret)) {
    if (check.ok) continue;
    throw core::Error(
        core::ErrorCode::kInvalidKeyFormat, "secret cannot be an API key",
        "The check \"" + std::string(check.name) + "\" failed: " + check.detail + ".");
  }
  if (!pg::settings().validate_format || has_format_of(provider, secret)) return;
  const std::string others = others_that_fit(providers, provider, secret);
  throw core::Error(
      core::ErrorCode::kInvalidKeyFormat,
      "secret does not have the format of a key of " + provider.name,
      "Expected is a match of the pattern " + *provider.key_pattern + "." +
          (others.empty() ? "" : " The secret has the format of " + others + "."),
      "If the provider issues keys of a new shape, correct key_pattern in keypool.providers, or "
      "turn keypool.validate_format off.");
}

}  // namespace keypool::api
