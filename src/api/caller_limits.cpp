// keypool.caller_meters(): the callers that were metered, for the view; and the trigger on
// keypool.caller_limits that has every session forget the limits it remembers
// (store/caller_rules.hpp).
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "pg/trigger.hpp"
#include "store/caller_limits.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/inval.h"
}

namespace keypool::api {

namespace {

std::int64_t whole(std::uint64_t count) { return static_cast<std::int64_t>(count); }

std::optional<std::int32_t> limit(std::uint32_t picks) {
  if (picks == 0) return std::nullopt;
  return static_cast<std::int32_t>(picks);
}

// TABLE(scope text, name text, picks_minute bigint, picks_hour bigint, picks_per_minute int,
// picks_per_hour int, free_at timestamptz)
Datum caller_meters(const pg::Args& args) {
  pg::RowSet rows(args);
  for (const store::CallerUsage& usage : store::caller_usage()) {
    std::optional<pg::Instant> free_at;
    if (usage.free_at) free_at = pg::Instant{*usage.free_at};
    rows.add(core::name(usage.scope), usage.name, whole(usage.minute), whole(usage.hour),
             limit(usage.limit.per_minute), limit(usage.limit.per_hour), free_at);
  }
  return rows.finish();
}

Datum caller_limits_changed(const pg::Args& args) {
  Relation relation = pg::trigger_data(args, "caller_limits_changed").tg_relation;
  pg::call([relation] { CacheInvalidateRelcache(relation); });
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(caller_meters, caller_meters);
KEYPOOL_FUNCTION(caller_limits_changed, caller_limits_changed);

}  // namespace keypool::api
