// keypool.unfolded_requests, fold_requests, rebuild_rollups: the tail of the request log, and its
// way into the rollups.
#include <algorithm>
#include <optional>

#include "core/request_tally.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "pg/trigger.hpp"
#include "store/fold.hpp"
#include "store/unfolded.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

void add_groups(pg::RowSet& rows, const core::RequestTally& tally) {
  tally.for_each([&rows](const core::RequestTally::Group& group) {
    pg::check_interrupts();
    const core::RequestDimensions& of = group.dimensions;
    const core::RequestSums& sums = group.sums;
    rows.add(pg::Instant{of.bucket}, of.provider, of.model, of.user_id, of.organization_id,
             of.api_key_id, of.key_source, of.is_anonymous, sums.requests, sums.errors,
             sums.input_tokens, sums.output_tokens, sums.cached_tokens, sums.cost_nano,
             sums.unpriced, sums.timed, sums.time_ms);
  });
}

store::Xid below_or_all(const pg::Args& args) {
  return args.is_null(0) ? store::kNoXid : DatumGetUInt64(args.datum(0));
}

// unfolded_requests(below) → bucket, dimensions, figures
Datum unfolded_requests(const pg::Args& args) {
  pg::RowSet rows(args);
  core::RequestTally tally;
  store::visit_unfolded(below_or_all(args), [&](const store::RequestVersion& version, int sign) {
    if (tally.is_full()) {
      add_groups(rows, tally);
      tally.clear();
    }
    tally.add(version.dimensions, version.sums, sign);
  });
  add_groups(rows, tally);
  return rows.finish();
}

// fold_requests(most) → how many groups of usage changed
Datum fold_requests(const pg::Args& args) {
  auto most = args.optional<std::int64_t>(0);
  if (most.has_value()) most = std::max<std::int64_t>(*most, 1);
  return pg::to_datum(store::fold_requests(most).groups);
}

// rebuild_rollups() → void
Datum rebuild_rollups(const pg::Args&) {
  store::empty_rollups(0);
  return Datum{0};
}

Datum requests_truncated(const pg::Args& args) {
  pg::trigger_data(args, "requests_truncated");
  store::empty_rollups(std::nullopt);
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(unfolded_requests, unfolded_requests);
KEYPOOL_FUNCTION(fold_requests, fold_requests);
KEYPOOL_FUNCTION(rebuild_rollups, rebuild_rollups);
KEYPOOL_FUNCTION(requests_truncated, requests_truncated);

}  // namespace keypool::api
