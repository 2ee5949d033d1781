// Whom the session acts for, and whether it may look past that user.
//
// Whose word counts: keypool.user_id, which only superusers and roles with SET on that parameter
// can set; else the subject of request.jwt.claims, which anybody can set, and which is therefore
// believed only while the *session* user, as which PostgREST logs in, holds that same privilege.
// The current role, to which one may have switched, changes nothing. Needs a transaction; takes no
// lock; throws PgError and core::Error.
#pragma once

#include <optional>
#include <string>

namespace keypool::store {

// Nothing: no user was named by anybody who may. 22023: claims that would count make no sense.
std::optional<std::string> keypool_user();

// Whether the current role sees the keys and requests of all users: it may read the overview of
// them, as every level from reader on can, and the owner of the tables.
bool sees_all_users();

}  // namespace keypool::store
