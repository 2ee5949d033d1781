// Finds API keys in a process environment, by the names the providers' own tools use.
//
// For a provider with the name OPENAI_API_KEY: OPENAI_API_KEY itself, OPENAI_API_KEY_1 … _N, and
// GOLLM_OPENAI_API_KEY_<SUFFIX>. Reads only what it is handed (the caller owns `environ`), and
// the secrets it returns are views into that. Pure: any thread; throws nothing but std::bad_alloc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

struct EnvironmentVariable {
  std::string_view name;
  std::string_view value;
};

struct EnvironmentProvider {
  std::string provider;
  std::vector<std::string> variables;  // "GEMINI_API_KEY", "GOOGLE_API_KEY": in order of preference
};

struct FoundKey {
  std::string provider;
  std::string name;      // unique within the provider
  std::string variable;  // where it was found
  std::string_view secret;
};

// Keys in the order of the providers and their variables, each by number; the GOLLM style comes
// after the plain one. Rules:
// - an empty value is as good as none;
// - if a variable has numbered forms, its plain form is left out (it usually repeats one of them);
// - numbers 1, 2, N are named primary, secondary, key_N, and the plain form primary; a GOLLM suffix
//   is the name in lower case, and counts as a number if it is one;
// - a name taken already (by another variable of the provider) becomes the whole variable's name in
//   lower case, which stays the same whatever else is set;
// - the same secret twice for one provider: the first one is returned.
std::vector<FoundKey> find_environment_keys(std::span<const EnvironmentVariable> environment,
                                            std::span<const EnvironmentProvider> providers);

}  // namespace keypool::core
