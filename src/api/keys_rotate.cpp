// rotate_key and revoke_key: a new secret in place, and the end of one.
#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/key_change.hpp"
#include "api/key_format.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

void refuse_revoked(std::int64_t id, const LockedKey& key) {
  if (!key.revoked) return;
  throw core::Error(core::ErrorCode::kNotReady, "key " + std::to_string(id) + " is revoked", {},
                    "A revoked key stays revoked: store the secret with add_key().");
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
  replace_secret(session, id, sealed);
  store::note_audit({"rotate_key", id, key.provider, {}});
  return Datum{0};
}

// revoke_key(key_id bigint, reason text) → void
Datum revoke_key(const pg::Args& args) {
  require_writable("revoke_key()");
  const auto id = args.get<std::int64_t>(0);
  const auto reason = readable_reason(args.optional<std::string_view>(1));

  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const LockedKey key = lock_key(session, id);
  if (key.revoked) {
    note_revoked_already(id);
    return Datum{0};
  }
  destroy_secret(session, id, reason);
  store::note_audit({"revoke_key", id, key.provider, {}});
  return Datum{0};
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(rotate_key, rotate_key, kKeyId);
KEYPOOL_AUDITED_FUNCTION(revoke_key, revoke_key, kKeyId);

}  // namespace keypool::api
