// Which request shows whether a key works, without costing anything: a provider's free check, sent
// where this key is used.
//
// Pure functions: no lock, no I/O; throw core::Error where said, and std::bad_alloc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace keypool::worker {

// What the tables say of a key's provider and of the key itself.
struct CheckTarget {
  std::string auth_style;  // bearer, x-api-key, x-goog-api-key, api-key or none
  std::optional<std::string> provider_url;
  std::optional<std::string> key_url;     // the key's own, before the provider's
  std::optional<std::string> check_path;  // or a whole URL
};

// Where to ask, or why nothing can be asked.
struct CheckPlan {
  std::string url;        // empty: nowhere
  std::string objection;  // a sentence for people
};
CheckPlan plan_check(const CheckTarget& target);

// The header line that carries the secret, NUL-terminated. Throws kInvalidKeyFormat when the secret
// holds a character that would end the line or be lost in it.
core::Secret credential_line(std::string_view auth_style, std::string_view secret);

// The other lines of the request.
std::vector<std::string> further_headers(std::string_view auth_style);

}  // namespace keypool::worker
