// dev_key: the key under which development traffic is logged.
//
// Its secret is the same everywhere and stands here: it protects nothing, so its statement need not
// be hidden.
#include "api/audited.hpp"
#include "api/key_write.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::string_view kProvider = "gateway";
constexpr std::string_view kUser = "dev@localhost";
constexpr std::string_view kName = "local_development";
constexpr std::string_view kSecret = "dev_local_dev@localhost_local_development";

bool is_stored() {
  core::Keyring& ring = store::keyring();
  if (ring.current() == 0) return false;  // nothing was ever stored here
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  return find_twin(session, kProvider, {"user", kUser}, ring.fingerprint(kSecret)).has_value();
}

void store_it() {
  require_writable("dev_key()");
  ProviderFormat provider;
  provider.name = kProvider;
  core::KeyFields fields;
  fields.name = kName;
  fields.user_id = kUser;
  try {
    const StoredKey added = insert_key(fields, provider, kSecret);
    store::note_audit({"dev_key", added.id, provider.name, {}});
  } catch (const core::Error& error) {
    // Somebody has just stored it as well; a namesake is another matter.
    if (error.code() != core::ErrorCode::kDuplicateKey || !is_stored()) throw;
  }
}

// dev_key() → secret
Datum dev_key(const pg::Args&) {
  if (!is_stored()) store_it();
  return pg::to_datum(kSecret);
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(dev_key, dev_key, kNone);

}  // namespace keypool::api
