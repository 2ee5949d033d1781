// rotate_key and revoke_key: a new secret in place, and the end of one.
#include "api/hidden_statement.hpp"
#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "api/keys_guard.hpp"
#include "core/error.hpp"
#include "core/scrub.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

// What a change of the secret must know of the row, which is locked until the transaction ends.
struct LockedKey {
  std::string provider;
  std::string owner_kind;
  std::string owner;
  bool revoked;
};

LockedKey lock_key(pg::Session& session, std::int64_t id) {
  const pg::Rows rows = session.run(
      "SELECT provider, key_source, owner, revoked_at IS NOT NULL FROM keypool.api_keys"
      " WHERE id = $1 FOR NO KEY UPDATE",
      id);
  if (rows.empty()) {
    throw core::Error(core::ErrorCode::kUndefinedKey,
                      "key " + std::to_string(id) + " does not exist", {},
                      "See keypool.api_keys_overview for the keys there are.");
  }
  return {rows.get<std::string>(0, 0), rows.get<std::string>(0, 1), rows.get<std::string>(0, 2),
          rows.get<bool>(0, 3)};
}

void refuse_revoked(std::int64_t id, const LockedKey& key) {
  if (!key.revoked) return;
  throw core::Error(core::ErrorCode::kNotReady, "key " + std::to_string(id) + " is revoked", {},
                    "A revoked key stays revoked: store the secret with add_key().");
}

void store_secret(pg::Session& session, std::int64_t id, const SealedSecret& sealed) {
  const Unguarded unguarded(id);
  try {
    session.run(
        "UPDATE keypool.api_keys SET envelope = $2, fingerprint = $3, hint = $4,"
        " rotated_at = clock_timestamp() WHERE id = $1",
        id, pg::Bytes{sealed.envelope}, pg::Bytes{sealed.fingerprint}, sealed.hint);
  } catch (const pg::PgError& error) {
    // Looked for above and not found: another session has stored it in between.
    if (error.sqlstate() != ERRCODE_UNIQUE_VIOLATION) throw;
    throw core::Error(core::ErrorCode::kDuplicateKey,
                      "secret has just been stored as another key of the same owner", {},
                      "Find that key with resolve_key().");
  }
}

// What the old secret had earned itself. A key in the pool is reset when the pool loads it anew.
void reset_state(pg::Session& session, std::int64_t id) {
  session.run(
      "UPDATE keypool.key_state SET state = 'healthy', cooldown_until = NULL, failure_class = "
      "NULL, model_blocks = NULL,"
      " failure_streak = 0, last_error = NULL, last_error_at = NULL, check_status = NULL,"
      " next_check_at = NULL, updated_at = clock_timestamp() WHERE key_id = $1",
      id);
}

// rotate_key(key_id bigint, secret text) → void
Datum rotate_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT rotate_key(...)");
  require_writable("rotate_key()");
  const auto id = args.get<std::int64_t>(0);
  const auto secret = args.get<std::string_view>(1);

  const ProviderNames providers;
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const LockedKey key = lock_key(session, id);
  refuse_revoked(id, key);
  require_format(providers, providers.find(key.provider), secret);
  const SealedSecret sealed = seal({id, key.provider, key.owner_kind, key.owner}, secret);
  const auto twin =
      find_twin(session, key.provider, {key.owner_kind, key.owner}, sealed.fingerprint);
  if (twin && twin->id != id) refuse_twin(*twin);
  store_secret(session, id, sealed);
  reset_state(session, id);
  return Datum{0};
}

void note_revoked_already(std::int64_t id) {
  pg::call([id] {
    ereport(NOTICE, (errmsg("key %lld is revoked already", static_cast<long long>(id))));
  });
}

// revoke_key(key_id bigint, reason text) → void
Datum revoke_key(const pg::Args& args) {
  require_writable("revoke_key()");
  const auto id = args.get<std::int64_t>(0);
  const auto given = args.optional<std::string_view>(1);
  // People paste things.
  const auto reason = given ? std::optional(core::scrub(*given)) : std::nullopt;

  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  if (lock_key(session, id).revoked) {
    // What was wanted is the case, and the first reason is the true one.
    note_revoked_already(id);
    return Datum{0};
  }
  const Unguarded unguarded(id);
  session.run(
      "UPDATE keypool.api_keys SET envelope = NULL, fingerprint = NULL,"
      " revoked_at = clock_timestamp(), revoke_reason = $2 WHERE id = $1",
      id, reason);
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(rotate_key, rotate_key);
KEYPOOL_FUNCTION(revoke_key, revoke_key);

}  // namespace keypool::api
