// explain_pick, available_providers: what a pick would see, without taking anything.
#include <cmath>
#include <optional>

#include "api/pick_arguments.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "store/candidates.hpp"
#include "store/no_key.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// explain_pick(…) → (position, key_id, key_name, provider, key_source, eligible, reason, score)
Datum explain_pick(const pg::Args& args) {
  const PickArguments arguments(args);
  pg::RowSet rows(args);
  std::int32_t position = 0;
  for (const store::Candidate& candidate : store::candidates(arguments.request())) {
    const bool eligible = candidate.standing.blocked == core::Blocked::kNo;
    rows.add(++position, candidate.key_id, candidate.key_name, candidate.provider,
             core::name(candidate.kind), eligible, store::explanation_of(candidate),
             std::round(candidate.score * 1e3) / 1e3);
  }
  return rows.finish();
}

// available_providers(user_id, organization_id) → (provider, key_source, keys)
Datum available_providers(const pg::Args& args) {
  const auto user = args.optional<std::string_view>(0).value_or("");
  const auto organization = args.optional<std::string_view>(1).value_or("");
  pg::RowSet rows(args);
  for (const store::Availability& there : store::availability(user, organization)) {
    rows.add(there.provider, core::name(there.kind), there.keys);
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(explain_pick, explain_pick);
KEYPOOL_FUNCTION(available_providers, available_providers);

}  // namespace keypool::api
