// import_keys and import_env_keys: many keys at once, from a document or from the environment.
#include <algorithm>
#include <string>
#include <vector>

#include <unistd.h>  // environ

#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/import_row.hpp"
#include "api/key_write.hpp"
#include "api/wiped_text.hpp"
#include "core/environment.hpp"
#include "core/import_document.hpp"
#include "core/scrub.hpp"
#include "pg/entry.hpp"
#include "pg/money.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace keypool::api {
namespace {

// ---- fields of the document as the table's types; a text that is none throws PgError ----

std::int64_t nanos_from_text(const std::string& text) {
  const char* digits = text.c_str();
  const Datum amount = pg::call([digits] {
    return DirectFunctionCall3(numeric_in, CStringGetDatum(digits), ObjectIdGetDatum(InvalidOid),
                               Int32GetDatum(-1));
  });
  return pg::nanos_from_numeric(amount);
}

core::Micros instant_from_text(const std::string& text) {
  const char* moment = text.c_str();
  return pg::call([moment] {
    return DatumGetTimestampTz(DirectFunctionCall3(
        timestamptz_in, CStringGetDatum(moment), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  });
}

std::optional<std::string_view> view(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

core::KeyFields fields_of(const core::ImportedKey& key) {
  core::KeyFields fields;
  fields.name = view(key.name);
  fields.user_id = view(key.user_id);
  fields.organization_id = view(key.organization_id);
  fields.rate_limit = key.rate_limit;
  fields.requests_per_minute = key.requests_per_minute;
  fields.tokens_per_minute = key.tokens_per_minute;
  fields.max_concurrency = key.max_concurrency;
  if (key.cost_limit) fields.daily_cost_limit_nano = nanos_from_text(*key.cost_limit);
  fields.weight = key.weight;
  if (key.models) fields.models.emplace(key.models->begin(), key.models->end());
  fields.region = view(key.region);
  fields.base_url = view(key.base_url);
  if (key.expires_at) fields.expires_at = instant_from_text(*key.expires_at);
  fields.enabled = key.enabled;
  return fields;
}

// ---- what has no effect ----

template <typename Field>
void note(std::vector<std::string>& paths, std::string path, const std::optional<Field>& field) {
  if (field) paths.push_back(std::move(path));
}

// A model has a price and nothing else.
void note_models(std::vector<std::string>& paths, const std::string& path,
                 const std::vector<core::ImportedModel>& models) {
  const auto any = [&models](auto has) { return std::any_of(models.begin(), models.end(), has); };
  if (any([](const auto& model) { return !model.input_cost_per_1k_tokens; })) {
    paths.push_back(path + " without input_cost_per_1k_tokens");
  }
  if (any([](const auto& model) { return model.max_tokens.has_value(); })) {
    paths.push_back(path + ".max_tokens");
  }
  if (any([](const auto& model) { return model.enabled == false; })) {
    paths.push_back(path + ".enabled");
  }
}

std::vector<std::string> without_effect(const core::ImportDocument& document) {
  std::vector<std::string> paths = document.ignored;
  for (const core::ImportedProvider& provider : document.providers) {
    const std::string path = "providers." + core::scrub(provider.name);
    note_models(paths, path + ".models", provider.models);
    note(paths, path + ".rotation.fallback_enabled", provider.rotation.fallback_enabled);
  }
  const core::ImportedGlobal& global = document.global;
  note(paths, "global.global_rate_limit", global.global_rate_limit);
  note(paths, "global.cost_alert_threshold", global.cost_alert_threshold);
  note(paths, "global.health_check_interval", global.health_check_interval);
  note(paths, "global.key_timeout", global.key_timeout);
  return paths;
}

void tell_without_effect(const std::vector<std::string>& paths) {
  if (paths.empty()) return;
  std::string list;
  for (const std::string& path : paths) list += (list.empty() ? "" : ", ") + path;
  const char* members = list.c_str();
  pg::call([members] {
    ereport(NOTICE,
            (errmsg("parts of the document have no effect"), errdetail_internal("%s.", members),
             errhint("What concerns the whole server is set in postgresql.conf: "
                     "keypool.health_check_interval, keypool.request_timeout and "
                     "keypool.cost_alert.")));
  });
}

// ---- the functions ----

Datum answer(const pg::Args& args, const std::vector<ImportRow>& rows) {
  pg::RowSet set(args);
  for (const ImportRow& row : rows) set.add(row.provider, row.name, row.key_id, row.action);
  return set.finish();
}

ImportRow import_document_key(const ProviderNames& providers, const std::string& provider,
                              const core::ImportedKey& key) {
  if (!key.fault.empty()) return {provider, key.name, std::nullopt, failed(key.fault)};
  core::KeyFields fields;
  const auto problem = pg::subtransaction([&] { fields = fields_of(key); });
  if (problem) return {provider, key.name, std::nullopt, failed(problem->message)};
  return import_key(providers, provider, fields, key.secret.view());
}

// import_keys(config jsonb) → TABLE(provider text, name text, key_id bigint, action text)
Datum import_keys(const pg::Args& args) {
  const HiddenStatement hidden("SELECT * FROM import_keys(...)");
  require_writable("import_keys()");
  core::ImportDocument document;
  {
    const WipedText text(args.get<pg::Json>(0).text);  // holds every key of it
    document = core::parse_import_document(text.view());
  }
  const ProviderNames providers;
  std::vector<ImportRow> rows = import_settings(providers, document);
  store::keyring_for_writing();  // without a root key no key can be stored: say that once
  for (const core::ImportedProvider& provider : document.providers) {
    for (const core::ImportedKey& key : provider.keys) {
      pg::check_interrupts();
      rows.push_back(import_document_key(providers, provider.name, key));
    }
  }
  tell_without_effect(without_effect(document));
  return answer(args, rows);
}

std::vector<core::EnvironmentVariable> read_environment() {
  std::vector<core::EnvironmentVariable> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return variables;
}

std::vector<core::EnvironmentProvider> read_variable_names() {
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT name, env_names FROM keypool.providers WHERE cardinality(env_names) > 0"
      " ORDER BY fallback_order NULLS LAST, name");
  std::vector<core::EnvironmentProvider> providers;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    core::EnvironmentProvider& provider = providers.emplace_back();
    provider.provider = rows.get<std::string>(i, 0);
    for (const std::string_view name : rows.get<std::vector<std::string_view>>(i, 1)) {
      provider.variables.emplace_back(name);
    }
  }
  return providers;
}

// import_env_keys() → TABLE(provider text, name text, key_id bigint, action text)
Datum import_env_keys(const pg::Args& args) {
  require_writable("import_env_keys()");
  const auto environment = read_environment();
  const auto found = core::find_environment_keys(environment, read_variable_names());
  const ProviderNames providers;
  std::vector<ImportRow> rows;
  if (!found.empty()) store::keyring_for_writing();
  for (const core::FoundKey& key : found) {
    core::KeyFields fields;
    fields.name = key.name;
    rows.push_back(import_key(providers, key.provider, fields, key.secret));
  }
  return answer(args, rows);
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(import_keys, import_keys, kNone);
KEYPOOL_AUDITED_FUNCTION(import_env_keys, import_env_keys, kNone);

}  // namespace keypool::api
