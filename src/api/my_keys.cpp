// add_my_key, my_keys, revoke_my_key: what an end user does with keys of his own.
//
// Whose they are is never an argument: it is whom the session acts for (store/keypool_user.hpp).
// These users are not trusted: how much they can store is bounded, where a key is sent to is not
// for them to say, and of a key that is not theirs they learn nothing, not even that it exists.
#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/key_change.hpp"
#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "core/error.hpp"
#include "core/key_fields.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/snapshot.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"
#include "store/keypool_user.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "common/hashfn.h"
#include "storage/lmgr.h"
}

namespace keypool::api {
namespace {

constexpr std::int64_t kMostKeys = 20;      // of a user at a provider
constexpr std::int64_t kMostRevoked = 100;  // of a user within a day: their rows stay
constexpr std::string_view kGateway = "gateway";

std::string require_user() {
  std::optional<std::string> user = store::keypool_user();
  if (user) return std::move(*user);
  throw core::Error(core::ErrorCode::kForbidden, "no user is known for this session", {},
                    "Set keypool.user_id as a role that may, or let PostgREST set "
                    "request.jwt.claims; current_keypool_user() says who is known.");
}

// So that the user's sessions count one after the other. On an object that no SQL can lock: an
// advisory lock anybody could hold. Users whose ids hash alike wait for each other.
void lock_user(const std::string& user) {
  const Oid keys = store::catalog().api_keys;
  const auto hash = hash_bytes(reinterpret_cast<const unsigned char*>(user.data()),
                               static_cast<int>(user.size()));
  pg::call([=] { LockDatabaseObject(keys, hash, 0, ExclusiveLock); });
}

void require_allowance(const std::string& user, const std::string& provider) {
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read(
      "SELECT (SELECT count(*) FROM keypool.api_keys"
      "        WHERE user_id = $1 AND provider = $2 AND revoked_at IS NULL),"
      "       (SELECT count(*) FROM keypool.api_keys WHERE user_id = $1"
      "        AND revoked_at > statement_timestamp() - interval '1 day')",
      user, provider);
  if (rows.get<std::int64_t>(0, 0) >= kMostKeys) {
    throw core::Error(core::ErrorCode::kConfigurationLimit,
                      "you have " + std::to_string(kMostKeys) + " keys of " + provider + " already",
                      "A user can store no more than that.",
                      "Revoke one that you do not use any more with revoke_my_key().");
  }
  if (rows.get<std::int64_t>(0, 1) >= kMostRevoked) {
    throw core::Error(
        core::ErrorCode::kConfigurationLimit, "too many keys in one day",
        "You have revoked " + std::to_string(kMostRevoked) + " keys within the last 24 hours.",
        "Add the key later.");
  }
}

// Keys of one's own gateway are credentials, which nobody issues to himself.
void refuse_gateway(const ProviderFormat& provider) {
  if (provider.name != kGateway) return;
  throw core::Error(core::ErrorCode::kForbidden, "keys of the gateway cannot be added by its users",
                    {}, "Those who manage keys issue them, with add_key().");
}

// add_my_key(provider text, secret text, name text, models text[], region text,
//            expires_at timestamptz) → bigint
Datum add_my_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT add_my_key(...)");
  require_writable("add_my_key()");
  const std::string user = require_user();
  const auto provider_name = args.get<std::string_view>(0);
  const auto secret = args.get<std::string_view>(1);
  core::KeyFields fields;
  fields.user_id = user;
  fields.name = args.optional<std::string_view>(2);
  fields.models = args.optional<std::vector<std::string_view>>(3);
  fields.region = args.optional<std::string_view>(4);
  if (!args.is_null(5)) fields.expires_at = args.get<pg::Instant>(5).value;
  core::check_key_fields(fields);

  const ProviderNames providers;
  const ProviderFormat& provider = providers.find(provider_name);
  refuse_gateway(provider);
  require_format(providers, provider, secret);
  lock_user(user);
  require_allowance(user, provider.name);
  const StoredKey key = insert_key(fields, provider, secret);
  store::note_audit({"add_my_key", key.id, provider.name, {}});
  return pg::to_datum(key.id);
}

struct OwnKey {
  std::string provider;
  bool revoked;
};

// Locks the row. Says the same of another's key and of none.
OwnKey lock_own_key(pg::Session& session, std::int64_t id, const std::string& user) {
  const pg::Rows rows = session.run(
      "SELECT provider, revoked_at IS NOT NULL FROM keypool.api_keys"
      " WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE",
      id, user);
  if (rows.empty()) {
    throw core::Error(core::ErrorCode::kUndefinedKey, "you have no key " + std::to_string(id), {},
                      "my_keys() lists yours.");
  }
  return {rows.get<std::string>(0, 0), rows.get<bool>(0, 1)};
}

// revoke_my_key(key_id bigint, reason text) → void
Datum revoke_my_key(const pg::Args& args) {
  require_writable("revoke_my_key()");
  const std::string user = require_user();
  const auto id = args.get<std::int64_t>(0);
  const auto reason = readable_reason(args.optional<std::string_view>(1));

  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const OwnKey key = lock_own_key(session, id, user);
  if (key.revoked) {
    note_revoked_already(id);
    return Datum{0};
  }
  destroy_secret(session, id, reason);
  store::note_audit({"revoke_my_key", id, key.provider, {}});
  return Datum{0};
}

// The user's keys are found by index first: a condition on the overview's owner would be none.
constexpr const char* kMyKeys = R"(
  SELECT o.key_id, o.provider, o.name, o.hint, o.state, o.available, o.cooldown_until, o.requests,
         o.errors, o.tokens, o.cost_today, o.cost_total, o.models, o.region, o.last_used_at,
         o.last_checked_at, o.last_error, o.expires_at, o.created_at
  FROM keypool.api_keys_overview o
  WHERE o.key_id = ANY (ARRAY(SELECT k.id FROM keypool.api_keys k
                              WHERE k.user_id = $1 AND k.revoked_at IS NULL))
  ORDER BY o.provider, o.key_id)";

// my_keys() → SETOF (key_id, provider, name, …), for nobody none
Datum my_keys(const pg::Args& args) {
  using Text = std::string_view;
  pg::RowSet answer(args);
  const std::optional<std::string> user = store::keypool_user();
  if (!user) return answer.finish();
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.run(kMyKeys, *user);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto text = [&](int column) { return rows.optional<Text>(i, column); };
    const auto count = [&](int column) { return rows.get<std::int64_t>(i, column); };
    const auto moment = [&](int column) { return rows.optional<pg::Instant>(i, column); };
    answer.add(count(0), text(1), text(2), text(3), text(4), rows.get<bool>(i, 5), moment(6),
               count(7), count(8), count(9), rows.get<pg::Nanos>(i, 10), rows.get<pg::Nanos>(i, 11),
               rows.optional<std::vector<Text>>(i, 12), text(13), moment(14), moment(15), text(16),
               moment(17), moment(18));
  }
  return answer.finish();
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(add_my_key, add_my_key, kProvider);
KEYPOOL_FUNCTION(my_keys, my_keys);
KEYPOOL_AUDITED_FUNCTION(revoke_my_key, revoke_my_key, kKeyId);

}  // namespace keypool::api
