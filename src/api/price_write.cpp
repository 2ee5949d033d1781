#include "api/price_write.hpp"

#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::int64_t kNone = -1;  // as keypool.set_prices() has it

}  // namespace

PricesSet set_prices(const ProviderNames& providers, const std::vector<core::ListedPrice>& prices,
                     std::string_view origin) {
  std::vector<std::string_view> names;
  std::vector<std::string_view> models;
  std::vector<std::int64_t> inputs;
  std::vector<std::int64_t> outputs;
  std::vector<std::int64_t> cached;
  std::vector<std::string_view> sources;
  for (const core::ListedPrice& listed : prices) {
    const ProviderFormat* known = providers.look_up(listed.provider);
    names.push_back(known != nullptr ? known->name : listed.provider);
    models.push_back(listed.model);
    inputs.push_back(listed.price.input);
    outputs.push_back(listed.price.output);
    cached.push_back(listed.price.cached_input.value_or(kNone));
    sources.push_back(listed.source.empty() ? origin : listed.source);
  }
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT added, updated, unchanged FROM keypool.set_prices($1, $2, $3, $4, $5, $6)", names,
      models, inputs, outputs, cached, sources);
  return {rows.get<std::int64_t>(0, 0), rows.get<std::int64_t>(0, 1), rows.get<std::int64_t>(0, 2)};
}

}  // namespace keypool::api
