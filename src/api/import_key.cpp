#include "api/import_row.hpp"

#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "core/scrub.hpp"
#include "pg/owner.hpp"
#include "pg/transaction.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kMostReason = 300;

// True when anything that was given differs from what is stored.
bool update_fields(pg::Session& session, std::int64_t id, const core::KeyFields& fields) {
  std::optional<pg::Nanos> cost;
  if (fields.daily_cost_limit_nano) cost = pg::Nanos{*fields.daily_cost_limit_nano};
  std::optional<pg::Instant> expires_at;
  if (fields.expires_at) expires_at = pg::Instant{*fields.expires_at};
  const pg::Rows rows = session.run(
      "UPDATE keypool.api_keys k"
      " SET rate_limit = n.rate_limit, requests_per_minute = n.requests_per_minute,"
      "     tokens_per_minute = n.tokens_per_minute, max_concurrency = n.max_concurrency,"
      "     daily_cost_limit = n.daily_cost_limit, weight = n.weight, models = n.models,"
      "     region = n.region, base_url = n.base_url, expires_at = n.expires_at,"
      "     enabled = n.enabled"
      " FROM (SELECT id, coalesce($2, rate_limit), coalesce($3, requests_per_minute),"
      "              coalesce($4, tokens_per_minute), coalesce($5, max_concurrency),"
      "              coalesce($6, daily_cost_limit), coalesce($7, weight), coalesce($8, models),"
      "              coalesce($9, region), coalesce($10, base_url), coalesce($11, expires_at),"
      "              coalesce($12, enabled)"
      "       FROM keypool.api_keys)"
      "   AS n (id, rate_limit, requests_per_minute, tokens_per_minute, max_concurrency,"
      "         daily_cost_limit, weight, models, region, base_url, expires_at, enabled)"
      " WHERE k.id = $1 AND n.id = k.id"
      "   AND (k.rate_limit, k.requests_per_minute, k.tokens_per_minute, k.max_concurrency,"
      "        k.daily_cost_limit, k.weight, k.models, k.region, k.base_url, k.expires_at,"
      "        k.enabled)"
      "   IS DISTINCT FROM"
      "       (n.rate_limit, n.requests_per_minute, n.tokens_per_minute, n.max_concurrency,"
      "        n.daily_cost_limit, n.weight, n.models, n.region, n.base_url, n.expires_at,"
      "        n.enabled)",
      id, fields.rate_limit, fields.requests_per_minute, fields.tokens_per_minute,
      fields.max_concurrency, cost, fields.weight, fields.models, fields.region, fields.base_url,
      expires_at, fields.enabled);
  return rows.affected() != 0;
}

std::optional<StoredKey> find_stored(const core::KeyFields& fields, std::string_view provider,
                                     std::string_view secret) {
  const core::Digest fingerprint = store::keyring_for_fingerprints().fingerprint(secret);
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  return find_twin(session, provider, core::owner_of(fields), fingerprint);
}

// The body of one step; throws what is wrong.
void add_or_update(const ProviderNames& providers, const core::KeyFields& fields,
                   std::string_view secret, ImportRow& row) {
  core::check_key_fields(fields);
  const ProviderFormat& provider = providers.find(row.provider);
  row.provider = provider.name;
  if (const auto stored = find_stored(fields, provider.name, secret)) {
    row.name = stored->name;
    row.key_id = stored->id;
    const pg::ActAs role(store::catalog().owner);
    pg::Session session;
    row.action = update_fields(session, stored->id, fields) ? "updated" : "unchanged";
    return;
  }
  require_format(providers, provider, secret);
  const StoredKey added = insert_key(fields, provider, secret);
  row.name = added.name;
  row.key_id = added.id;
  row.action = "added";
  if (const char* function = store::RunningAction::name()) {
    store::note_audit({function, added.id, provider.name, {}});
  }
}

}  // namespace

std::string failed(std::string_view reason) {
  std::string text = core::scrub(reason);
  core::cut_utf8(text, kMostReason);
  return "failed: " + text;
}

ImportRow import_key(const ProviderNames& providers, std::string_view provider,
                     const core::KeyFields& fields, std::string_view secret) {
  ImportRow row;
  row.provider = provider;
  if (fields.name) row.name = *fields.name;
  const auto problem = pg::subtransaction([&] { add_or_update(providers, fields, secret, row); });
  if (problem) {
    row.key_id.reset();
    row.action = failed(problem->message);
    // The import goes on, and is no failure itself.
    if (const char* function = store::RunningAction::name()) {
      store::note_attempt(function, 0, provider, problem->sqlstate);
    }
  }
  return row;
}

}  // namespace keypool::api
