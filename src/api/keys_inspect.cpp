// resolve_key and validate_key: what is known of a secret without asking its provider.
#include "api/hidden_statement.hpp"
#include "api/key_format.hpp"
#include "api/provider_names.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "store/find_key.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

// resolve_key(secret text) → bigint
Datum resolve_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT resolve_key(...)");
  const auto secret = args.get<std::string_view>(0);
  core::Keyring& ring = store::keyring();
  if (ring.current() == 0) return args.null_result();  // nothing was ever stored here
  const auto id = store::find_key(ring.fingerprint(secret));
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
