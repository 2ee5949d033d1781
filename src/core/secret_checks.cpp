#include "core/secret_checks.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kLeastLength = 8;
constexpr std::size_t kMostLength = 256;

// Long enough that a random key does not hold one by chance (7 letters, any case: one in 10^10).
constexpr std::array<std::string_view, 11> kPlaceholders = {
    "your-api-key", "your_api_key", "yourapikey", "your-key",    "your_key", "api-key-here",
    "api_key_here", "changeme",     "change-me",  "placeholder", "example"};
constexpr std::size_t kFillRun = 6;  // "xxxxxx" anywhere
constexpr std::size_t kFillEnd = 3;  // "…-xxx" to the end

SecretCheck passed(std::string_view name) { return {.name = name, .ok = true, .detail = {}}; }

SecretCheck failed(std::string_view name, std::string detail) {
  return {.name = name, .ok = false, .detail = std::move(detail)};
}

SecretCheck check_length(std::string_view secret) {
  if (secret.size() >= kLeastLength && secret.size() <= kMostLength) return passed("length");
  return failed("length", "has " + std::to_string(secret.size()) + " bytes, expected " +
                              std::to_string(kLeastLength) + " to " + std::to_string(kMostLength));
}

std::string_view fault_of(char c) noexcept {
  if (is_space(c)) return "white space";
  if (c == '"' || c == '\'' || c == '`') return "a quote";
  if (c < 0x21 || c == 0x7F) return "not printable ASCII";  // char may be signed: high bytes too
  if (static_cast<unsigned char>(c) > 0x7F) return "not printable ASCII";
  return {};
}

SecretCheck check_characters(std::string_view secret) {
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const std::string_view fault = fault_of(secret[i]);
    if (fault.empty()) continue;
    return failed("characters", "character " + std::to_string(i + 1) + " is " + std::string(fault));
  }
  return passed("characters");
}

bool is_filler(char c) noexcept { return c == 'x' || c == 'X' || c == '*' || c == '.'; }

// "xxxxxx", "sk-...", "sk-xxxx": somebody covered a key, or left it to be filled in.
bool is_filled_in(std::string_view secret) noexcept {
  std::size_t run = 0;
  for (const char c : secret) {
    run = is_filler(c) ? run + 1 : 0;
    if (run >= kFillRun) return true;
  }
  if (run < kFillEnd) return false;
  const std::size_t before = secret.size() - run;
  return before == 0 || secret[before - 1] == '-' || secret[before - 1] == '_';
}

SecretCheck check_not_placeholder(std::string_view secret) {
  const std::string text = lower(secret);
  const bool known = std::any_of(kPlaceholders.begin(), kPlaceholders.end(),
                                 [&](auto word) { return text.find(word) != std::string::npos; });
  const bool variable = text.starts_with('$') || text.starts_with('%') ||
                        text.find("${") != std::string::npos ||
                        text.find("{{") != std::string::npos;
  const bool bracketed = text.starts_with('<') || text.ends_with('>');
  if (known || variable || bracketed || is_filled_in(secret)) {
    return failed("not_placeholder", "looks like a placeholder of an example or a template");
  }
  return passed("not_placeholder");
}

}  // namespace

std::vector<SecretCheck> check_secret(std::string_view secret) {
  return {secret.empty() ? failed("not_empty", "is empty") : passed("not_empty"),
          check_length(secret), check_characters(secret), check_not_placeholder(secret)};
}

}  // namespace keypool::core
