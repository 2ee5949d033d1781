#include "api/provider_names.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "core/error.hpp"
#include "core/near_names.hpp"
#include "core/scrub.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kMostShown = 64;

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

// The name is scrubbed: whoever swaps the two arguments of add_key has put the secret there.
[[noreturn]] void refuse_unknown(std::string_view wanted,
                                 const std::vector<ProviderFormat>& providers) {
  std::vector<std::string> known;
  std::vector<std::string> spellings;
  for (const ProviderFormat& provider : providers) {
    known.push_back(provider.name);
    spellings.push_back(provider.name);
    spellings.insert(spellings.end(), provider.aliases.begin(), provider.aliases.end());
  }
  std::string shown = core::scrub(wanted);
  core::cut_utf8(shown, kMostShown);
  const auto near = core::near_names(wanted, spellings);
  const std::string hint = near.empty()
                               ? "A provider that is not known yet is one row of keypool.providers."
                               : "Perhaps you meant " + joined(near, " or ") + ".";
  throw core::Error(core::ErrorCode::kUnknownProvider, "unknown provider \"" + shown + "\"",
                    "Known providers are: " + joined(known, ", ") + ".", hint);
}

}  // namespace

ProviderNames::ProviderNames() {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows =
      session.read("SELECT name, aliases, key_pattern FROM keypool.providers ORDER BY name");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ProviderFormat& provider = providers_.emplace_back();
    provider.name = rows.get<std::string>(i, 0);
    for (const std::string_view alias : rows.get<std::vector<std::string_view>>(i, 1)) {
      provider.aliases.emplace_back(alias);
    }
    provider.key_pattern = rows.optional<std::string>(i, 2);
  }
}

const ProviderFormat& ProviderNames::find(std::string_view name) const {
  const auto is_meant = [name](std::string_view known) {
    return core::equal_ignoring_case(known, name);
  };
  for (const ProviderFormat& provider : providers_) {
    if (is_meant(provider.name)) return provider;
  }
  for (const ProviderFormat& provider : providers_) {
    if (std::any_of(provider.aliases.begin(), provider.aliases.end(), is_meant)) return provider;
  }
  refuse_unknown(name, providers_);
}

}  // namespace keypool::api
