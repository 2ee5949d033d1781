// How many picks a role and a user may make: counts one, or says no.
//
// An attempt that is let in counts, whether a key comes of it or not; one that is refused counts
// for nobody. Without limits in the database it costs a look at one variable. Throws kLimitExceeded
// (names who, the limit, what is used and when it frees), kConfigurationLimit (more callers are
// limited and busy than there are meters); needs a transaction, takes the meters' lock.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/caller_meters.hpp"
#include "store/caller_rules.hpp"

namespace keypool::store {

namespace detail {
void admit_limited_caller(std::string_view user);
}

// `user` as the pick names it, empty for none; the role is the session's.
inline void admit_caller(std::string_view user) {
  if (detail::nobody_is_limited) [[likely]]
    return;
  detail::admit_limited_caller(user);
}

// A caller of this database that has a limit and was metered, as of now.
struct CallerUsage {
  core::CallerScope scope;
  std::string name;
  core::CallerLimit limit;
  std::uint64_t minute;
  std::uint64_t hour;
  std::optional<core::Micros> free_at;  // where a limit is reached
};
std::vector<CallerUsage> caller_usage();

}  // namespace keypool::store
