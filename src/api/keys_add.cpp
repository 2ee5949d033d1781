// add_key: stores a new key.
#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/key_format.hpp"
#include "api/key_write.hpp"
#include "core/key_fields.hpp"
#include "pg/entry.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

core::KeyFields fields_of(const pg::Args& args) {
  core::KeyFields fields;
  fields.name = args.optional<std::string_view>(2);
  fields.user_id = args.optional<std::string_view>(3);
  fields.organization_id = args.optional<std::string_view>(4);
  fields.rate_limit = args.optional<std::int32_t>(5);
  fields.requests_per_minute = args.optional<std::int32_t>(6);
  fields.tokens_per_minute = args.optional<std::int32_t>(7);
  fields.max_concurrency = args.optional<std::int32_t>(8);
  if (!args.is_null(9)) fields.daily_cost_limit_nano = args.get<pg::Nanos>(9).value;
  fields.weight = args.optional<double>(10);
  fields.models = args.optional<std::vector<std::string_view>>(11);
  fields.region = args.optional<std::string_view>(12);
  fields.base_url = args.optional<std::string_view>(13);
  if (!args.is_null(14)) fields.expires_at = args.get<pg::Instant>(14).value;
  fields.enabled = args.optional<bool>(15);
  if (!args.is_null(16)) fields.rotation_interval = args.get<pg::Duration>(16).value;
  return fields;
}

// add_key(provider text, secret text, name text, user_id text, organization_id text,
//         rate_limit int, requests_per_minute int, tokens_per_minute int, max_concurrency int,
//         daily_cost_limit numeric, weight float8, models text[], region text, base_url text,
//         expires_at timestamptz, enabled bool, rotation_interval interval) → bigint
Datum add_key(const pg::Args& args) {
  const HiddenStatement hidden("SELECT add_key(...)");
  require_writable("add_key()");
  const auto provider_name = args.get<std::string_view>(0);
  const auto secret = args.get<std::string_view>(1);
  const core::KeyFields fields = fields_of(args);
  core::check_key_fields(fields);

  const ProviderNames providers;
  const ProviderFormat& provider = providers.find(provider_name);
  require_format(providers, provider, secret);
  const std::int64_t id = insert_key(fields, provider, secret).id;
  store::note_audit({"add_key", id, provider.name, {}});
  return pg::to_datum(id);
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(add_key, add_key, kProvider);

}  // namespace keypool::api
