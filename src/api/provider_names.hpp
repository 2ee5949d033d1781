// The providers of keypool.providers as key management needs them: who is meant by a name or an
// alias, and what its keys look like.
//
// Read once a call, as the table's owner, with the statement's snapshot. Throws kUnknownProvider
// and PgError.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::api {

struct ProviderFormat {
  std::string name;
  std::vector<std::string> aliases;
  std::optional<std::string> key_pattern;  // a regular expression; none: any format
};

class ProviderNames {
 public:
  ProviderNames();

  // By name or alias, without case. kUnknownProvider names near names and all known ones.
  const ProviderFormat& find(std::string_view name) const;
  // Likewise; nullptr for one that is not known.
  const ProviderFormat* look_up(std::string_view name) const noexcept;

  const std::vector<ProviderFormat>& all() const noexcept { return providers_; }

 private:
  std::vector<ProviderFormat> providers_;
};

}  // namespace keypool::api
