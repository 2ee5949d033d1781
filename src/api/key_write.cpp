#include "api/key_write.hpp"

#include "core/error.hpp"
#include "core/hint.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"
#include "store/loader.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "tcop/utility.h"
}

namespace keypool::api {

namespace {

std::optional<StoredKey> first_key(const pg::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return StoredKey{rows.get<std::int64_t>(0, 0), rows.get<std::string>(0, 1),
                   rows.get<std::string>(0, 2)};
}

std::optional<StoredKey> find_namesake(pg::Session& session, std::string_view provider,
                                       const core::KeyOwner& owner, std::string_view name) {
  const pg::LatestSnapshot latest;
  return first_key(
      session.read("SELECT id, name, hint FROM keypool.api_keys"
                   " WHERE provider = $1 AND key_source = $2 AND owner = $3 AND name = $4"
                   " AND revoked_at IS NULL",
                   provider, owner.kind, owner.id, name));
}

[[noreturn]] void refuse_namesake(const StoredKey& namesake) {
  throw core::Error(
      core::ErrorCode::kDuplicateKey,
      "key name \"" + namesake.name + "\" is taken by key " + std::to_string(namesake.id),
      "That key of the same provider and owner is " + namesake.hint + ".",
      "Choose another name, or replace its secret with rotate_key(" + std::to_string(namesake.id) +
          ", ...).");
}

// The first of primary, secondary, key_3, key_4 … that the owner has not used.
std::string free_name(pg::Session& session, std::string_view provider,
                      const core::KeyOwner& owner) {
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read(
      "WITH taken AS ("
      "  SELECT name FROM keypool.api_keys"
      "  WHERE provider = $1 AND key_source = $2 AND owner = $3 AND revoked_at IS NULL)"
      " SELECT c.name"
      " FROM generate_series(1, (SELECT count(*) FROM taken) + 1) AS n,"
      " LATERAL (SELECT CASE n WHEN 1 THEN 'primary' WHEN 2 THEN 'secondary'"
      "                        ELSE 'key_' || n END AS name) AS c"
      " WHERE c.name NOT IN (SELECT name FROM taken)"
      " ORDER BY n LIMIT 1",
      provider, owner.kind, owner.id);
  return rows.get<std::string>(0, 0);
}

std::int64_t next_id(pg::Session& session) {
  const pg::Rows rows = session.run("SELECT nextval('keypool.api_keys_id_seq')");
  return rows.get<std::int64_t>(0, 0);
}

// False: another session has just taken the name, or stored the secret.
bool try_insert(pg::Session& session, const core::KeyFields& fields, std::string_view provider,
                std::int64_t id, std::string_view name, const SealedSecret& sealed) {
  const auto in_dollars = [](std::optional<std::int64_t> nanos) {
    return nanos ? std::optional(pg::Nanos{*nanos}) : std::nullopt;
  };
  const auto as_interval = [](std::optional<core::Micros> micros) {
    return micros ? std::optional(pg::Duration{*micros}) : std::nullopt;
  };
  const auto as_instant = [](std::optional<core::Micros> micros) {
    return micros ? std::optional(pg::Instant{*micros}) : std::nullopt;
  };
  const pg::Rows rows = session.run(
      "INSERT INTO keypool.api_keys (id, provider, name, user_id, organization_id, envelope,"
      " fingerprint, hint, rate_limit, requests_per_minute, tokens_per_minute, max_concurrency,"
      " daily_cost_limit, weight, models, region, base_url, expires_at, enabled,"
      " rotation_interval)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
      " $19, justify_hours($20)) ON CONFLICT DO NOTHING",
      id, provider, name, fields.user_id, fields.organization_id, pg::Bytes{sealed.envelope},
      pg::Bytes{sealed.fingerprint}, sealed.hint, fields.rate_limit, fields.requests_per_minute,
      fields.tokens_per_minute, fields.max_concurrency, in_dollars(fields.daily_cost_limit_nano),
      fields.weight.value_or(1), fields.models, fields.region, fields.base_url,
      as_instant(fields.expires_at), fields.enabled.value_or(true),
      as_interval(fields.rotation_interval));
  return rows.affected() == 1;
}

}  // namespace

void require_writable(const char* function) {
  pg::call([function] { PreventCommandIfReadOnly(function); });
}

SealedSecret seal(const core::KeyIdentity& identity, std::string_view secret) {
  core::Keyring& ring = store::keyring_for_writing();
  const std::uint32_t number = ring.current();
  return {core::seal_key(ring.data_key(number), number, identity, secret), ring.fingerprint(secret),
          core::hint_of(secret)};
}

std::optional<StoredKey> find_twin(pg::Session& session, std::string_view provider,
                                   const core::KeyOwner& owner, const core::Digest& fingerprint) {
  const pg::LatestSnapshot latest;
  return first_key(
      session.read("SELECT id, name, hint FROM keypool.api_keys"
                   " WHERE fingerprint = $1 AND provider = $2 AND key_source = $3 AND owner = $4"
                   " AND revoked_at IS NULL",
                   pg::Bytes{fingerprint}, provider, owner.kind, owner.id));
}

void refuse_twin(const StoredKey& twin) {
  throw core::Error(
      core::ErrorCode::kDuplicateKey, "secret is stored already as key " + std::to_string(twin.id),
      "That key of the same provider and owner is \"" + twin.name + "\", " + twin.hint + ".",
      "An owner stores a secret once; limits are changed with a plain UPDATE of "
      "keypool.api_keys.");
}

StoredKey insert_key(const core::KeyFields& fields, const ProviderFormat& provider,
                     std::string_view secret) {
  core::check_key_fields(fields);
  const core::KeyOwner owner = core::owner_of(fields);
  if (!fields.user_id) store::require_room();
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  for (;;) {
    pg::check_interrupts();
    // A new number every time: should the sequence lag behind the table, it catches up.
    const std::int64_t id = next_id(session);
    const SealedSecret sealed = seal({id, provider.name, owner.kind, owner.id}, secret);
    if (const auto twin = find_twin(session, provider.name, owner, sealed.fingerprint)) {
      refuse_twin(*twin);
    }
    std::string name;
    if (fields.name) {
      name = *fields.name;
      const auto namesake = find_namesake(session, provider.name, owner, name);
      if (namesake) refuse_namesake(*namesake);
    } else {
      name = free_name(session, provider.name, owner);
    }
    if (try_insert(session, fields, provider.name, id, name, sealed)) {
      return {id, std::move(name), sealed.hint};
    }
  }
}

}  // namespace keypool::api
