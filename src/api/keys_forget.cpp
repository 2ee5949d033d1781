// forget_user and forget_organization: the end of all that is secret of an owner.
//
// Of the keys nothing is left that was made of a secret or may hold one; of the requests the
// fingerprints and the free texts go. Rows stay, with who, what, when and how much: accounts that
// change when somebody leaves are none.
#include <string>
#include <vector>

#include "api/audited.hpp"
#include "api/key_write.hpp"
#include "api/keys_guard.hpp"
#include "core/scrub.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

struct Owner {
  const char* function;
  const char* column;          // as the answer names it
  const char* keys_to_lock;    // $1: the owner
  const char* clear_requests;  // $1: the owner, $2: ids of all his keys
  const char* reason;
};

constexpr const char* kForgottenHint = "[forgotten]";

#define KEYPOOL_CLEAR_REQUESTS                                             \
  "UPDATE keypool.chat_completion_requests"                                \
  " SET api_key_fingerprint = NULL, error_message = NULL, metadata = NULL" \
  " WHERE num_nonnulls(api_key_fingerprint, error_message, metadata) > 0"  \
  " AND (api_key_id = ANY ($2) OR "

constexpr Owner kUser = {
    "forget_user", "user_id",
    "SELECT id, revoked_at IS NULL, hint FROM keypool.api_keys WHERE user_id = $1"
    " ORDER BY id FOR NO KEY UPDATE",
    KEYPOOL_CLEAR_REQUESTS "user_id = $1)", "user forgotten"};

// A key that names a user besides is that user's.
constexpr Owner kOrganization = {
    "forget_organization", "organization_id",
    "SELECT id, revoked_at IS NULL, hint FROM keypool.api_keys"
    " WHERE organization_id = $1 AND user_id IS NULL ORDER BY id FOR NO KEY UPDATE",
    KEYPOOL_CLEAR_REQUESTS "organization_id = $1)", "organization forgotten"};

#undef KEYPOOL_CLEAR_REQUESTS

// A URL may carry credentials; the hint is the ends of the secret. A key that was revoked before
// has kept both.
void forget_key(pg::Session& session, std::int64_t id, const char* reason) {
  const Unguarded unguarded(id);
  session.run(
      "UPDATE keypool.api_keys SET envelope = NULL, fingerprint = NULL, hint = $2, base_url = NULL,"
      " revoked_at = coalesce(revoked_at, clock_timestamp()),"
      " revoke_reason = CASE WHEN revoked_at IS NULL THEN $3 ELSE revoke_reason END WHERE id = $1",
      id, kForgottenHint, reason);
}

struct ForgottenKeys {
  std::vector<std::int64_t> ids;  // of all the owner's keys, also those revoked before
  std::int64_t destroyed = 0;
};

ForgottenKeys forget_keys(pg::Session& session, const Owner& kind, std::string_view owner) {
  ForgottenKeys keys;
  const pg::Rows rows = session.run(kind.keys_to_lock, owner);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    pg::check_interrupts();
    const auto id = rows.get<std::int64_t>(row, 0);
    const bool stored = rows.get<bool>(row, 1);
    keys.ids.push_back(id);
    keys.destroyed += stored ? 1 : 0;
    const bool is_new = stored || rows.get<std::string_view>(row, 2) != kForgottenHint;
    if (is_new) forget_key(session, id, kind.reason);
  }
  return keys;
}

Datum forget(const pg::Args& args, const Owner& kind) {
  require_writable(kind.function);
  const auto owner = args.get<std::string_view>(0);
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const ForgottenKeys keys = forget_keys(session, kind, owner);
  const auto requests =
      static_cast<std::int64_t>(session.run(kind.clear_requests, owner, keys.ids).affected());
  const auto counts = [&](std::string_view name) {
    return session
        .run("SELECT jsonb_build_object($1, $2, 'keys', $3, 'requests', $4)::text", kind.column,
             name, keys.destroyed, requests)
        .get<std::string>(0, 0);
  };
  // People paste things; what is kept must not hold them.
  store::note_audit({.action = kind.function, .details = counts(core::scrub(owner))});
  const std::string answer = counts(owner);
  return pg::to_datum(pg::Json{answer});
}

// forget_user(user_id text) → jsonb
Datum forget_user(const pg::Args& args) { return forget(args, kUser); }

// forget_organization(organization_id text) → jsonb
Datum forget_organization(const pg::Args& args) { return forget(args, kOrganization); }

}  // namespace

KEYPOOL_AUDITED_FUNCTION(forget_user, forget_user, kNone);
KEYPOOL_AUDITED_FUNCTION(forget_organization, forget_organization, kNone);

}  // namespace keypool::api
