#include "api/import_row.hpp"

#include "core/duration.hpp"
#include "core/error.hpp"
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
  }
  if (const auto& chain = document.global.fallback_chain) {
    attempt(rows, "fallback_chain", [&] { apply_chain(providers, *chain); });
  }
  return rows;
}

}  // namespace keypool::api
