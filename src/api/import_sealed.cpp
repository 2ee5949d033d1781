// import_fernet and import_aes_gcm: keys taken over from where they were sealed in another way.
//
// What the seal held goes the way of add_key; it is wiped when the function ends.
#include "api/audited.hpp"
#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "core/error.hpp"
#include "core/fernet.hpp"
#include "core/password_seal.hpp"
#include "pg/entry.hpp"
#include "store/audit.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace keypool::api {
namespace {

// One answer for all that can be wrong: which half is right is nothing to tell who is guessing.
[[noreturn]] void refuse_to_open(const char* what, const char* hint) {
  throw core::Error(core::ErrorCode::kDecryptionFailed,
                    std::string(what) + " does not open with that key", {}, hint);
}

// The arguments from the third on, which both functions have in common.
Datum store(const pg::Args& args, const char* action, const core::Secret& secret) {
  core::KeyFields fields;
  fields.name = args.optional<std::string_view>(3);
  fields.user_id = args.optional<std::string_view>(4);
  fields.organization_id = args.optional<std::string_view>(5);
  if (!args.is_null(6)) fields.expires_at = args.get<pg::Instant>(6).value;
  core::check_key_fields(fields);

  const ProviderNames providers;
  const ProviderFormat& provider = providers.find(args.get<std::string_view>(2));
  require_format(providers, provider, secret.view());
  const StoredKey added = insert_key(fields, provider, secret.view());
  store::note_audit({.action = action, .key_id = added.id, .provider = provider.name});
  return pg::to_datum(added.id);
}

// import_fernet(token text, fernet_key text, provider text, name text, user_id text,
//               organization_id text, expires_at timestamptz, max_age interval) → bigint
Datum import_fernet(const pg::Args& args) {
  const HiddenStatement hidden("SELECT import_fernet(...)");
  require_writable("import_fernet()");
  std::optional<core::FernetAge> age;
  if (!args.is_null(7)) age = {GetCurrentTimestamp(), args.get<pg::Duration>(7).value};
  const auto secret =
      core::open_fernet(args.get<std::string_view>(0), args.get<std::string_view>(1), age);
  if (!secret) {
    refuse_to_open("token",
                   "A Fernet key is 32 bytes in base64; a token is base64 that begins with gA, and "
                   "no older than max_age, if that is given.");
  }
  return store(args, "import_fernet", *secret);
}

// import_aes_gcm(sealed text, password text, provider text, name text, user_id text,
//                organization_id text, expires_at timestamptz) → bigint
Datum import_aes_gcm(const pg::Args& args) {
  const HiddenStatement hidden("SELECT import_aes_gcm(...)");
  require_writable("import_aes_gcm()");
  const auto secret =
      core::open_password_seal(args.get<std::string_view>(0), args.get<std::string_view>(1));
  if (!secret) {
    refuse_to_open("sealed secret",
                   "Expected is base64 or hex of nonce (12 bytes), ciphertext and tag (16), sealed "
                   "by AES-256-GCM with the SHA-256 of the password as key.");
  }
  return store(args, "import_aes_gcm", *secret);
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(import_fernet, import_fernet, kNone);
KEYPOOL_AUDITED_FUNCTION(import_aes_gcm, import_aes_gcm, kNone);

}  // namespace keypool::api
