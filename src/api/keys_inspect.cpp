// resolve_key and validate_key: what is known of a secret without asking its provider.
#include "api/hidden_statement.hpp"
#include "api/key_format.hpp"
#include "api/provider_names.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

// Of several owners with the same secret the system comes first, then the key stored first.
std::optional<std::int64_t> find_key(const core::Digest& fingerprint) {
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT id FROM keypool.api_keys WHERE fingerprint = $1 AND revoked_at IS NULL"
      " ORDER BY key_source <> 'system', id LIMIT 1",
      pg::Bytes{fingerprint});
  if (rows.empty()) return std::nullopt;
  return rows.get<std::int64_t>(0, 0);
}

// resolve_key(secret text) → bigint
Datum resolve_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT resolve_key(...)");
  const auto secret = args.get<std::string_view>(0);
  core::Keyring& ring = store::keyring();
  if (ring.current() == 0) return args.null_result();  // nothing was ever stored here
  const auto id = find_key(ring.fingerprint(secret));
  return id ? pg::to_datum(*id) : args.null_result();
}

// validate_key(provider text, secret text) → TABLE(check_name text, ok bool, detail text)
Datum validate_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT validate_key(...)");
  const auto provider_name = args.get<std::string_view>(0);
  const auto secret = args.get<std::string_view>(1);
  const ProviderNames providers;
  pg::RowSet rows(args);
  for (const auto& check : check_format(providers, providers.find(provider_name), secret)) {
    const auto detail = check.detail.empty() ? std::nullopt : std::optional(check.detail);
    rows.add(check.name, check.ok, detail);
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(resolve_key, resolve_key);
KEYPOOL_FUNCTION(validate_key, validate_key);

}  // namespace keypool::api
