#include "api/key_change.hpp"

#include "api/keys_guard.hpp"
#include "core/error.hpp"
#include "core/scrub.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kMostReason = 1024;

void store_secret(pg::Session& session, std::int64_t id, const SealedSecret& sealed) {
  const Unguarded unguarded(id);
  try {
    session.run(
        "UPDATE keypool.api_keys SET envelope = $2, fingerprint = $3, hint = $4,"
        " rotated_at = clock_timestamp() WHERE id = $1",
        id, pg::Bytes{sealed.envelope}, pg::Bytes{sealed.fingerprint}, sealed.hint);
  } catch (const pg::PgError& error) {
    // Looked for before and not found: another session has stored it in between.
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

}  // namespace

std::optional<std::string> readable_reason(std::optional<std::string_view> given) {
  if (!given) return std::nullopt;
  std::string reason = core::scrub(core::beginning(*given, kMostReason));
  core::cut_utf8(reason, kMostReason);
  return reason;
}

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

void replace_secret(pg::Session& session, std::int64_t id, const SealedSecret& sealed) {
  store_secret(session, id, sealed);
  reset_state(session, id);
}

void destroy_secret(pg::Session& session, std::int64_t id, std::optional<std::string_view> reason) {
  const Unguarded unguarded(id);
  session.run(
      "UPDATE keypool.api_keys SET envelope = NULL, fingerprint = NULL,"
      " revoked_at = clock_timestamp(), revoke_reason = $2 WHERE id = $1",
      id, reason);
}

void note_revoked_already(std::int64_t id) {
  pg::call([id] {
    ereport(NOTICE, (errmsg("key %lld is revoked already", static_cast<long long>(id))));
  });
}

}  // namespace keypool::api
