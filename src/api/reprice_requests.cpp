// reprice_requests: logged requests at the prices of the price list as it is now. The steps are
// those of keypool.reprice(), done as the tables' owner.
#include <optional>
#include <string>
#include <string_view>

#include "api/key_write.hpp"
#include "api/log_steps.hpp"
#include "api/provider_names.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// The log may have providers that keypool.providers does not know: imported ones.
std::optional<std::string> logged_name(std::optional<std::string_view> asked) {
  if (!asked) return std::nullopt;
  const ProviderNames providers;
  const ProviderFormat* known = providers.look_up(*asked);
  return known != nullptr ? known->name : std::string(*asked);
}

// reprice_requests(provider text, model text, since timestamptz, until timestamptz, batch int)
//   → SETOF (step text, rows bigint)
Datum reprice_requests(const pg::Args& args) {
  require_writable("reprice_requests()");
  const auto provider = logged_name(args.optional<std::string_view>(0));
  const auto model = args.optional<std::string_view>(1);
  const auto since = args.optional<pg::Instant>(2);
  const auto until = args.optional<pg::Instant>(3);
  const auto batch = args.get<std::int32_t>(4);
  check_batch(batch);
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return answer_steps(
      args, session.run("SELECT step, rows FROM keypool.reprice($1, $2, $3, $4, $5)", provider,
                        model, since, until, batch));
}

}  // namespace

KEYPOOL_FUNCTION(reprice_requests, reprice_requests);

}  // namespace keypool::api
