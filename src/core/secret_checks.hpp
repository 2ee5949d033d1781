// Checks that hold for every API key, whoever issued it: offline, before the provider's own format.
//
// The details say what was expected and where it failed, never a byte of the value, and are empty
// for a check that passed. Pure function: any thread, no lock; throws nothing but std::bad_alloc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

struct SecretCheck {
  std::string_view name;
  bool ok = false;
  std::string detail;
};

// Always the same checks in the same order: "not_empty"; "length" (8 to 256 bytes); "characters"
// (printable ASCII, no white space, no quotes); "not_placeholder" (what examples and templates hold
// instead of a key: your-api-key, changeme, sk-xxxx, sk-..., <key>, $VARIABLE, example).
std::vector<SecretCheck> check_secret(std::string_view secret);

}  // namespace keypool::core
