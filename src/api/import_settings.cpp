#include "api/import_row.hpp"

#include "api/price_write.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/price_document.hpp"
#include "core/scrub.hpp"
#include "core/strategy.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

[[noreturn]] void refuse(std::string message) {
  throw core::Error(core::ErrorCode::kInvalidArgument, std::move(message));
}

void check_strategy(const std::optional<std::string>& strategy) {
  if (strategy && !core::strategy_from_name(*strategy)) refuse("unknown rotation strategy");
}

std::optional<pg::Duration> interval_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto duration = core::parse_duration(*text);
  if (!duration) refuse("rotation interval is not a duration like \"30s\", \"5m\" or \"1h30m\"");
  return pg::Duration{*duration};
}

void apply_rotation(const ProviderNames& providers, const core::ImportedProvider& imported,
                    const std::optional<std::string>& default_strategy) {
  const core::ImportedRotation& rotation = imported.rotation;
  const auto& strategy = rotation.strategy ? rotation.strategy : default_strategy;
  check_strategy(strategy);
  const auto interval = interval_of(rotation.interval);
  if (!strategy && !interval && !rotation.health_check) return;
  const ProviderFormat& provider = providers.find(imported.name);
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  session.run(
      "UPDATE keypool.providers"
      " SET strategy = coalesce($2, strategy), health_check = coalesce($4, health_check),"
      "     rotation_interval = coalesce($3, rotation_interval)"
      " WHERE name = $1 AND (strategy, rotation_interval, health_check) IS DISTINCT FROM"
      "   (coalesce($2, strategy), coalesce($3, rotation_interval), coalesce($4, health_check))",
      provider.name, strategy, interval, rotation.health_check);
}

// A model whose price cannot be read stops none of the others.
void apply_prices(const ProviderNames& providers, const core::ImportedProvider& imported,
                  std::vector<ImportRow>& rows) {
  std::vector<core::ListedPrice> prices;
  const std::string& provider = providers.find(imported.name).name;
  for (const core::ImportedModel& model : imported.models) {
    if (!model.input_cost_per_1k_tokens) continue;
    const auto price = core::price_per_1k(*model.input_cost_per_1k_tokens,
                                          model.output_cost_per_1k_tokens.value_or("0"),
                                          model.cached_input_cost_per_1k_tokens);
    const bool usable = price && core::is_model_name(model.name);
    if (usable) {
      prices.push_back({provider, model.name, *price, {}});
    } else {
      rows.push_back({provider, core::scrub(model.name), std::nullopt,
                      failed(price ? "unusable name of a model" : "price out of range")});
    }
  }
  if (!prices.empty()) set_prices(providers, prices, "import_keys()");
}

// The document's limit of all that is spent in a day is a budget of its own, known by its name.
void apply_daily_limit(const std::string& dollars) {
  constexpr const char* kName = "import: daily_cost_limit";
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  session.run(
      "UPDATE keypool.budgets SET limit_usd = $2::numeric"
      " WHERE name = $1 AND limit_usd <> $2::numeric",
      kName, dollars);
  session.run(
      "INSERT INTO keypool.budgets (name, scope, period, limit_usd, action)"
      " SELECT $1, 'global', 'day', $2::numeric, 'block'"
      " WHERE NOT EXISTS (SELECT FROM keypool.budgets WHERE name = $1)",
      kName, dollars);
}

// The document's chain replaces the one there was.
void apply_chain(const ProviderNames& providers, const std::vector<std::string>& chain) {
  std::vector<std::string_view> names;
  for (const std::string& name : chain) names.push_back(providers.find(name).name);
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  session.run(
      "UPDATE keypool.providers SET fallback_order = array_position($1, name)"
      " WHERE fallback_order IS DISTINCT FROM array_position($1, name)",
      names);
}

template <typename Step>
void attempt(std::vector<ImportRow>& rows, std::string_view provider, Step step) {
  const auto problem = pg::subtransaction(step);
  if (!problem) return;
  rows.push_back({core::scrub(provider), std::nullopt, std::nullopt, failed(problem->message)});
}

}  // namespace

std::vector<ImportRow> import_settings(const ProviderNames& providers,
                                       const core::ImportDocument& document) {
  std::vector<ImportRow> rows;
  const auto& default_strategy = document.global.default_rotation_strategy;
  for (const core::ImportedProvider& imported : document.providers) {
    attempt(rows, imported.name, [&] { apply_rotation(providers, imported, default_strategy); });
    if (imported.models.empty()) continue;
    attempt(rows, imported.name, [&] { apply_prices(providers, imported, rows); });
  }
  if (const auto& dollars = document.global.daily_cost_limit) {
    attempt(rows, "daily_cost_limit", [&] { apply_daily_limit(*dollars); });
  }
  if (const auto& chain = document.global.fallback_chain) {
    attempt(rows, "fallback_chain", [&] { apply_chain(providers, *chain); });
  }
  return rows;
}

}  // namespace keypool::api
