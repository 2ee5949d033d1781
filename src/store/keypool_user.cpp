#include "store/keypool_user.hpp"

#include <string_view>

#include "core/claims.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
}

namespace keypool::store {

namespace {

constexpr const char* kUserSetting = "keypool.user_id";
constexpr const char* kClaimsSetting = "request.jwt.claims";

// In UTF-8, which JSON is written in; nullptr: nothing was claimed by anybody who is believed.
const char* believed_claims() {
  return pg::call([]() -> const char* {
    const char* claims = GetConfigOption(kClaimsSetting, true, false);
    if (claims == nullptr || *claims == '\0') return nullptr;
    const bool believed =
        pg_parameter_aclcheck(kUserSetting, GetSessionUserId(), ACL_SET) == ACLCHECK_OK;
    if (!believed) return nullptr;
    return pg_server_to_any(claims, static_cast<int>(strlen(claims)), PG_UTF8);
  });
}

std::string in_server_encoding(const std::string& text) {
  const char* converted = pg::call(
      [&] { return pg_any_to_server(text.c_str(), static_cast<int>(text.size()), PG_UTF8); });
  return converted;
}

}  // namespace

std::optional<std::string> keypool_user() {
  const std::string_view named = pg::settings().user_id;
  if (!named.empty()) return std::string(named);
  const char* claims = believed_claims();
  if (claims == nullptr) return std::nullopt;
  const std::optional<std::string> subject = core::subject_of(claims);
  if (!subject) return std::nullopt;
  return in_server_encoding(*subject);
}

bool sees_all_users() {
  const Oid overview = catalog().api_keys_overview;
  return pg::call(
      [overview] { return pg_class_aclcheck(overview, GetUserId(), ACL_SELECT) == ACLCHECK_OK; });
}

}  // namespace keypool::store
