// current_keypool_user, keypool.sees_all_users: what row-level security asks, once a query.
#include "store/keypool_user.hpp"

#include "pg/entry.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

// current_keypool_user() → text
Datum current_keypool_user(const pg::Args& args) {
  const std::optional<std::string> user = store::keypool_user();
  return user ? pg::to_datum(*user) : args.null_result();
}

// keypool.sees_all_users() → bool
Datum sees_all_users(const pg::Args&) { return pg::to_datum(store::sees_all_users()); }

}  // namespace

KEYPOOL_FUNCTION(current_keypool_user, current_keypool_user);
KEYPOOL_FUNCTION(sees_all_users, sees_all_users);

}  // namespace keypool::api
