#include "store/provider_chain.hpp"

#include <algorithm>
#include <optional>

#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/cost_estimate.hpp"
#include "store/shared_pool.hpp"
#include "store/with_provider.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// The names of the providers that a request may be served by, the asked one first.
std::vector<std::string> names_of(core::Database& database, const PickRequest& request,
                                  bool goes_on) {
  std::vector<std::string> names;
  with_provider(database, request.provider, {}, [&](std::uint32_t asked) {
    if (asked == core::kNone) return;
    names.emplace_back(pool().provider(asked).config.name_view());
    if (!goes_on) return;
    std::vector<const core::ProviderConfig*> chain;
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      const core::ProviderConfig& config = pool().provider(i).config;
      const bool in_chain = config.database == database.oid.load() && config.enabled &&
                            config.fallback_order != core::kNoFallback && i != asked;
      if (in_chain) chain.push_back(&config);
    }
    std::sort(chain.begin(), chain.end(), [](const auto* a, const auto* b) {
      return a->fallback_order != b->fallback_order ? a->fallback_order < b->fallback_order
                                                    : a->name_view() < b->name_view();
    });
    for (const auto* config : chain) names.emplace_back(config->name_view());
  });
  return names;
}

// What the model is called at the others, where keypool.equivalent_models says so.
void name_models(std::vector<ChainLink>& chain, std::string_view model) {
  const pg::LatestSnapshot latest;
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT provider, equivalent FROM keypool.equivalent_models WHERE model = $1", model);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto provider = rows.get<std::string_view>(row, 0);
    for (ChainLink& link : chain) {
      if (link.provider == provider) link.model = rows.get<std::string_view>(row, 1);
    }
  }
}

void put_cheaper_first(std::vector<ChainLink>& chain, std::uint32_t tokens) {
  struct Priced {
    ChainLink link;
    std::optional<std::int64_t> cost;
  };
  std::vector<Priced> priced;
  for (ChainLink& link : chain) {
    const auto cost = listed_cost(link.provider, link.model, tokens, now());
    priced.push_back({std::move(link), cost});
  }
  std::stable_sort(priced.begin(), priced.end(), [](const Priced& a, const Priced& b) {
    if (a.cost.has_value() != b.cost.has_value()) return a.cost.has_value();
    return a.cost < b.cost;
  });
  std::transform(priced.begin(), priced.end(), chain.begin(),
                 [](Priced& each) { return std::move(each.link); });
}

}  // namespace

std::vector<ChainLink> chain_of(core::Database& database, const PickRequest& request,
                                bool goes_on) {
  std::vector<ChainLink> chain;
  for (std::string& name : names_of(database, request, goes_on)) {
    chain.push_back({std::move(name), std::string(request.wish.model)});
  }
  if (chain.size() < 2 || request.wish.model.empty()) return chain;
  name_models(chain, request.wish.model);
  chain.front().model = request.wish.model;
  if (request.cheaper_first) put_cheaper_first(chain, request.wish.tokens);
  return chain;
}

}  // namespace keypool::store
