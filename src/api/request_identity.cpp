#include "api/request_identity.hpp"

#include <string>

#include "core/error.hpp"
#include "pg/error_map.hpp"
#include "pg/snapshot.hpp"
#include "store/find_key.hpp"
#include "store/keyring.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

void warn_unknown_lease(std::int64_t lease_id) {
  pg::report(WARNING,
             {core::ErrorCode::kLeaseUnknown, "lease " + std::to_string(lease_id) + " is not known",
              "The request is logged without the lease's key.",
              "Log a request before its lease has long been over, or pass api_key_id too."});
}

void warn_unknown_key(std::int64_t key_id) {
  pg::report(WARNING, {core::ErrorCode::kUndefinedKey, "there is no key " + std::to_string(key_id),
                       "The request is logged with that id, and without a key_source.",
                       "keypool.api_keys_overview lists the keys."});
}

void warn_no_fingerprint(const core::Error& reason) {
  pg::report(WARNING, {reason.code(), "api_key cannot be looked up: " + reason.message(),
                       "The request is logged without a key.", reason.hint()});
}

}  // namespace

RequestIdentity::RequestIdentity(core::Database& database, const RequestArguments& request)
    : request_(request) {
  find_key(database);
  if (key_id_) {
    owner_ = store::key_owner(database, *key_id_);
    if (!owner_) warn_unknown_key(*key_id_);
  }
  const bool somebody =
      request.user_id || request.api_key_id || request.api_key || request.lease_id;
  is_anonymous_ = request.is_anonymous.value_or(!somebody);
}

void RequestIdentity::find_key(core::Database& database) {
  key_id_ = request_.api_key_id;
  if (request_.lease_id && !key_id_) {
    const auto lease = store::pool().leases().peek(*request_.lease_id, database.oid.load());
    if (lease) {
      key_id_ = lease->key_id;
    } else {
      warn_unknown_lease(*request_.lease_id);
    }
  }
  if (request_.api_key && !key_id_) look_up(database, *request_.api_key);
}

// Makes the key of fingerprints if there is none yet, so that the key is recognised when somebody
// stores it later.
void RequestIdentity::look_up(core::Database& database, std::string_view secret) {
  try {
    fingerprint_ = store::keyring_for_fingerprints().fingerprint(secret);
  } catch (const core::Error& reason) {
    database.tracking.count(core::Lookup::kError);
    warn_no_fingerprint(reason);
    return;
  }
  {
    const pg::LatestSnapshot latest;
    key_id_ = store::find_key(*fingerprint_);
  }
  database.tracking.count(key_id_ ? core::Lookup::kFound : core::Lookup::kNotFound);
  if (key_id_) fingerprint_.reset();
}

std::optional<std::span<const std::byte>> RequestIdentity::fingerprint() const noexcept {
  if (!fingerprint_) return std::nullopt;
  return std::span<const std::byte>(*fingerprint_);
}

std::optional<std::string_view> RequestIdentity::key_source() const noexcept {
  if (is_anonymous_) return "anonymous";
  if (!owner_) return std::nullopt;
  return owner_->source();
}

std::optional<std::string_view> RequestIdentity::user() const noexcept {
  if (request_.user_id || !owner_) return request_.user_id;
  return owner_->user();
}

std::optional<std::string_view> RequestIdentity::organization() const noexcept {
  if (request_.organization_id || !owner_) return request_.organization_id;
  return owner_->organization();
}

}  // namespace keypool::api
