// import_trace_keys: the keys that the callers of a gateway send along with their requests.
//
// They are kept for keypool.trace_key_ttl after their last use, one for each provider and owner,
// under a name of their own. A gateway may call this with every request: a key that is known is
// looked for and, as long as half of its time is left, nothing is written.
#include <string>
#include <vector>

#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/import_row.hpp"
#include "api/key_change.hpp"
#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "api/wiped_text.hpp"
#include "core/error.hpp"
#include "core/trace_headers.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/settings.hpp"
#include "pg/snapshot.hpp"
#include "pg/transaction.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::string_view kName = "trace";
// Requests of one caller come together: another may store the key between our look and our write.
constexpr int kMostTries = 3;

struct TraceKey {
  std::string provider;
  std::string header;
  core::TraceHeaders::Value value;
};

// The providers' keys among the headers; of a provider with several headers the first that is
// there.
std::vector<TraceKey> keys_among(const core::TraceHeaders& headers) {
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT name, header_names FROM keypool.providers WHERE cardinality(header_names) > 0"
      " ORDER BY name");
  std::vector<TraceKey> keys;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (const std::string_view header : rows.get<std::vector<std::string_view>>(row, 1)) {
      const auto value = headers.find(header);
      if (!value) continue;
      keys.push_back({rows.get<std::string>(row, 0), std::string(header), *value});
      break;
    }
  }
  return keys;
}

// Who the keys are stored for: the arguments go before the headers, a user before an organization.
core::KeyFields owner_of(const pg::Args& args, const core::TraceHeaders& headers) {
  core::KeyFields fields;
  fields.user_id = args.optional<std::string_view>(1);
  if (!fields.user_id) fields.user_id = headers.user();
  if (fields.user_id) return fields;
  fields.organization_id = args.optional<std::string_view>(2);
  if (!fields.organization_id) fields.organization_id = headers.organization();
  if (fields.organization_id) return fields;
  throw core::Error(core::ErrorCode::kInvalidArgument, "nobody is named whose keys these are", {},
                    "Give user_id or organization_id, or the header X-User-ID or "
                    "X-Organization-ID.");
}

// One key on its way in. Every step may throw what is wrong.
class Arrival {
 public:
  Arrival(const ProviderNames& providers, const core::KeyFields& fields, std::string_view secret,
          ImportRow& row)
      : providers_(providers), fields_(fields), secret_(secret), row_(row) {}

  void take_in() {
    const core::Digest fingerprint = store::keyring_for_writing().fingerprint(secret_);
    const pg::ActAs role(store::catalog().owner);
    pg::Session session;
    if (const auto twin = find_twin(session, row_.provider, owner(), fingerprint)) {
      keep(session, *twin);
      return;
    }
    const ProviderFormat& provider = providers_.find(row_.provider);
    require_format(providers_, provider, secret_);
    if (const auto stored = find_stored(session)) {
      replace(session, *stored);
    } else {
      answer(insert_key(fields_, provider, secret_), "added");
    }
    store::note_audit({.action = "import_trace_keys",
                       .key_id = *row_.key_id,
                       .provider = row_.provider,
                       .details = "{\"action\":\"" + row_.action + "\"}"});
  }

 private:
  core::KeyOwner owner() const noexcept { return core::owner_of(fields_); }

  void answer(const StoredKey& key, const char* action) {
    row_.name = key.name;
    row_.key_id = key.id;
    row_.action = action;
  }

  // A key of another name, or one without an end, was stored otherwise: its time is not ours.
  void keep(pg::Session& session, const StoredKey& twin) {
    const pg::Rows extended = session.run(
        "UPDATE keypool.api_keys SET expires_at = $2"
        " WHERE id = $1 AND name = $3 AND revoked_at IS NULL"
        " AND expires_at < clock_timestamp() + ($2 - clock_timestamp()) / 2",
        twin.id, pg::Instant{*fields_.expires_at}, kName);
    answer(twin, extended.affected() != 0 ? "extended" : "unchanged");
  }

  // The trace key that the owner has now, if any.
  std::optional<std::int64_t> find_stored(pg::Session& session) const {
    const pg::LatestSnapshot latest;
    const pg::Rows rows = session.read(
        "SELECT id, expires_at IS NULL FROM keypool.api_keys WHERE provider = $1"
        " AND key_source = $2 AND owner = $3 AND name = $4 AND revoked_at IS NULL",
        row_.provider, owner().kind, owner().id, kName);
    if (rows.empty()) return std::nullopt;
    const auto id = rows.get<std::int64_t>(0, 0);
    if (!rows.get<bool>(0, 1)) return id;
    throw core::Error(core::ErrorCode::kForbidden,
                      "key " + std::to_string(id) + " is named trace and was stored to stay");
  }

  void replace(pg::Session& session, std::int64_t id) {
    const LockedKey key = lock_key(session, id);
    if (key.revoked) {
      throw core::Error(core::ErrorCode::kDuplicateKey,
                        "key " + std::to_string(id) + " has just been revoked");
    }
    const SealedSecret sealed = seal({id, key.provider, key.owner_kind, key.owner}, secret_);
    replace_secret(session, id, sealed);
    session.run("UPDATE keypool.api_keys SET expires_at = $2 WHERE id = $1", id,
                pg::Instant{*fields_.expires_at});
    answer({id, std::string(kName), sealed.hint}, "rotated");
  }

  const ProviderNames& providers_;
  const core::KeyFields& fields_;
  std::string_view secret_;
  ImportRow& row_;
};

ImportRow take_in(const ProviderNames& providers, const core::KeyFields& fields,
                  const TraceKey& key) {
  ImportRow row;
  row.provider = key.provider;
  if (!key.value.fault.empty()) {
    row.action = failed("header " + key.header + " " + std::string(key.value.fault));
    return row;
  }
  for (int tries = 1;; ++tries) {
    const auto problem =
        pg::subtransaction([&] { Arrival(providers, fields, key.value.text, row).take_in(); });
    if (!problem) return row;
    const bool outrun = problem->sqlstate == ERRCODE_UNIQUE_VIOLATION && tries < kMostTries;
    if (outrun) continue;
    row.name.reset();
    row.key_id.reset();
    row.action = failed(problem->message);
    return row;
  }
}

// import_trace_keys(headers jsonb, user_id text, organization_id text)
//   → TABLE(provider text, name text, key_id bigint, action text)
Datum import_trace_keys(const pg::Args& args) {
  const HiddenStatement hidden("SELECT * FROM import_trace_keys(...)");
  require_writable("import_trace_keys()");
  const WipedText text(args.get<pg::Json>(0).text);
  const core::TraceHeaders headers(text.view());
  const std::vector<TraceKey> keys = keys_among(headers);
  pg::RowSet rows(args);
  if (keys.empty()) return rows.finish();

  core::KeyFields fields = owner_of(args, headers);
  fields.name = kName;
  fields.expires_at = store::now() + pg::settings().trace_key_ttl * core::kSecond;
  core::check_key_fields(fields);
  store::keyring_for_writing();  // without a root key no key can be stored: say that once
  const ProviderNames providers;
  for (const TraceKey& key : keys) {
    pg::check_interrupts();
    const ImportRow row = take_in(providers, fields, key);
    rows.add(row.provider, row.name, row.key_id, row.action);
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(import_trace_keys, import_trace_keys, kNone);

}  // namespace keypool::api
