// What keypool.caller_limits says of a role or a user: the row of that name, else the one of '*'.
//
// Remembered in this process, for so many names at a time, until a change of the table (or of a
// role) reaches it: with the next transaction at the latest, as with prices (store/prices.hpp). A
// name that is not remembered takes two looks into an index. Throws PgError; needs a transaction.
#pragma once

#include <string_view>

#include "core/caller_meters.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

struct LimitedRole {
  std::string_view name;  // until the next call
  core::CallerLimit limit;
};

// The role this session runs as, outside of SECURITY DEFINER functions.
LimitedRole limited_role();

// Of the role or user of that name; none when the name is longer than any row's.
core::CallerLimit caller_limit(core::CallerScope scope, std::string_view name);

// keypool.caller_limits of this installation: another one has another table.
Oid caller_limits_table();

namespace detail {
// Read since the last change, and nobody had a limit.
extern bool nobody_is_limited;
}  // namespace detail

}  // namespace keypool::store
