#include "core/unknown_provider.hpp"

#include <algorithm>
#include <span>

#include "core/near_names.hpp"
#include "core/scrub.hpp"

namespace keypool::core {

namespace {

constexpr std::size_t kLongestShown = 63;

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Error unknown_provider(std::string_view asked, std::vector<std::string> known,
                       const std::vector<std::string>& aliases) {
  asked = beginning(asked, kLongestShown);
  std::sort(known.begin(), known.end());
  std::vector<std::string> spellings = known;
  spellings.insert(spellings.end(), aliases.begin(), aliases.end());
  const std::vector<std::string> near = near_names(asked, spellings);
  // Arguments get mixed up: a secret in the provider's place is not repeated.
  std::string shown = scrub(asked);
  cut_utf8(shown, kLongestShown);
  return {ErrorCode::kUnknownProvider, "provider \"" + shown + "\" is not known",
          known.empty() ? "" : "Known providers: " + joined(known) + ".",
          (near.empty() ? "" : "Did you mean " + joined(near) + "? ") +
              std::string("A new provider is one INSERT into keypool.providers.")};
}

}  // namespace keypool::core
