#include "core/environment.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <optional>
#include <system_error>
#include <tuple>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr int kMostNumber = 9999;
constexpr int kNoNumber = std::numeric_limits<int>::max();  // sorts behind every number

struct Candidate {
  bool gollm = false;
  int number = kNoNumber;
  bool plain = false;  // without any suffix
  std::string name;
  EnvironmentVariable found;
};

// Digits without leading zeros, so that two variables never have the same number.
std::optional<int> parse_number(std::string_view text) noexcept {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > kMostNumber) return std::nullopt;
  return number;
}

std::string name_of(int number) {
  if (number == 1) return "primary";
  if (number == 2) return "secondary";
  return "key_" + std::to_string(number);
}

// The part of `name` after "<before>_", if there is one.
std::optional<std::string_view> suffix_after(std::string_view name, std::string_view before) {
  if (name.size() < before.size() + 2 || !name.starts_with(before)) return std::nullopt;
  if (name[before.size()] != '_') return std::nullopt;
  return name.substr(before.size() + 1);
}

std::optional<Candidate> match(const EnvironmentVariable& found, std::string_view variable) {
  Candidate candidate;
  candidate.found = found;
  if (found.name == variable) {
    candidate.number = 1;
    candidate.plain = true;
    candidate.name = name_of(1);
    return candidate;
  }
  auto suffix = suffix_after(found.name, variable);
  if (!suffix) {
    suffix = suffix_after(found.name, "GOLLM_" + std::string(variable));
    if (!suffix) return std::nullopt;
    candidate.gollm = true;
  }
  if (const auto number = parse_number(*suffix)) {
    candidate.number = *number;
    candidate.name = name_of(*number);
    return candidate;
  }
  // OPENAI_API_KEY_FILE and the like are other tools' settings, not keys.
  if (!candidate.gollm) return std::nullopt;
  candidate.name = lower(*suffix);
  if (candidate.name == name_of(1)) candidate.number = 1;
  if (candidate.name == name_of(2)) candidate.number = 2;
  return candidate;
}

std::vector<Candidate> candidates_for(std::span<const EnvironmentVariable> environment,
                                      std::string_view variable) {
  std::vector<Candidate> candidates;
  for (const EnvironmentVariable& found : environment) {
    if (found.value.empty()) continue;
    if (auto candidate = match(found, variable)) candidates.push_back(std::move(*candidate));
  }
  const bool numbered = std::any_of(candidates.begin(), candidates.end(),
                                    [](const Candidate& c) { return !c.gollm && !c.plain; });
  if (numbered) std::erase_if(candidates, [](const Candidate& c) { return c.plain; });
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.gollm, a.number, a.found.name) < std::tie(b.gollm, b.number, b.found.name);
  });
  return candidates;
}

}  // namespace

std::vector<FoundKey> find_environment_keys(std::span<const EnvironmentVariable> environment,
                                            std::span<const EnvironmentProvider> providers) {
  std::vector<FoundKey> keys;
  for (const EnvironmentProvider& provider : providers) {
    const std::size_t first = keys.size();
    const auto taken = [&](auto same) {
      return std::any_of(keys.begin() + first, keys.end(), same);
    };
    for (const std::string& variable : provider.variables) {
      for (Candidate& candidate : candidates_for(environment, variable)) {
        const std::string_view secret = candidate.found.value;
        if (taken([&](const FoundKey& key) { return key.secret == secret; })) continue;
        if (taken([&](const FoundKey& key) { return key.name == candidate.name; })) {
          candidate.name = lower(candidate.found.name);
        }
        keys.push_back({.provider = provider.provider,
                        .name = std::move(candidate.name),
                        .variable = std::string(candidate.found.name),
                        .secret = secret});
      }
    }
  }
  return keys;
}

}  // namespace keypool::core
