#include "api/provider_names.hpp"

#include <algorithm>
#include <utility>

#include "core/ascii.hpp"
#include "core/unknown_provider.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

core::Error unknown(std::string_view wanted, const std::vector<ProviderFormat>& providers) {
  std::vector<std::string> known;
  std::vector<std::string> aliases;
  for (const ProviderFormat& provider : providers) {
    known.push_back(provider.name);
    aliases.insert(aliases.end(), provider.aliases.begin(), provider.aliases.end());
  }
  return core::unknown_provider(wanted, std::move(known), aliases);
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

const ProviderFormat* ProviderNames::look_up(std::string_view name) const noexcept {
  const auto is_meant = [name](std::string_view known) {
    return core::equal_ignoring_case(known, name);
  };
  for (const ProviderFormat& provider : providers_) {
    if (is_meant(provider.name)) return &provider;
  }
  for (const ProviderFormat& provider : providers_) {
    if (std::any_of(provider.aliases.begin(), provider.aliases.end(), is_meant)) return &provider;
  }
  return nullptr;
}

const ProviderFormat& ProviderNames::find(std::string_view name) const {
  const ProviderFormat* provider = look_up(name);
  if (provider == nullptr) throw unknown(name, providers_);
  return *provider;
}

}  // namespace keypool::api
