// keypool.tracking_counts(), keypool.pool_totals(): what shared memory counts of this database, in
// few rows however many keys there are; what prometheus_metrics() stands on.
#include <algorithm>
#include <iterator>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tracking.hpp"
#include "pg/entry.hpp"
#include "pg/lwlock.hpp"
#include "pg/result.hpp"
#include "store/coherence.hpp"
#include "store/loader.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// In the order of core::Tracked and of core::Lookup.
constexpr std::string_view kRequests[] = {"with_key", "anonymous", "lookup_failed", "no_key",
                                          "unidentified"};
constexpr std::string_view kLookups[] = {"found", "not_found", "error"};
static_assert(std::size(kRequests) == static_cast<std::size_t>(core::Tracked::kCount));
static_assert(std::size(kLookups) == static_cast<std::size_t>(core::Lookup::kCount));

// TABLE(kind text, label text, value bigint), since the server's start
Datum tracking_counts(const pg::Args& args) {
  const core::TrackingCounters& counted = store::current_database().tracking;
  pg::RowSet rows(args);
  for (std::size_t i = 0; i < std::size(kRequests); ++i) {
    rows.add("requests", kRequests[i], static_cast<std::int64_t>(counted.requests[i].load()));
  }
  for (std::size_t i = 0; i < std::size(kLookups); ++i) {
    rows.add("lookups", kLookups[i], static_cast<std::int64_t>(counted.lookups[i].load()));
  }
  return rows.finish();
}

struct Total {
  std::string provider;
  core::OwnerKind kind;
  std::int64_t keys = 0;
  std::int64_t in_flight = 0;
};

Total& total_of(std::vector<Total>& totals, std::string_view provider, core::OwnerKind kind) {
  for (Total& total : totals) {
    if (total.kind == kind && total.provider == provider) return total;
  }
  totals.push_back({.provider = std::string(provider), .kind = kind});
  return totals.back();
}

// Picks from a large group wait for no more than a part of it.
std::int64_t in_flight(core::Group& group, std::span<core::Slot> slots) {
  constexpr std::size_t kSlotsAtOnce = 32;
  std::int64_t sum = 0;
  while (!slots.empty()) {
    const std::span<core::Slot> part = slots.first(std::min(kSlotsAtOnce, slots.size()));
    const std::lock_guard lock(group.lock);
    for (const core::Slot& slot : part) sum += slot.usage.in_flight;
    slots = slots.subspan(part.size());
  }
  return sum;
}

std::vector<Total> add_up(std::uint32_t database) {
  std::vector<Total> totals;
  const pg::SharedGuard guard(store::pool_lock());
  core::Pool& all = store::pool();
  for (std::uint32_t i = 0; i < all.group_limit(); ++i) {
    core::Group& group = all.group(i);
    if (!group.used || group.database != database || group.count == 0) continue;
    const core::Provider& provider = all.provider(group.provider);
    Total& total = total_of(totals, provider.config.name_view(), group.kind);
    total.keys += group.count;
    total.in_flight += in_flight(group, all.slots_of(group));
  }
  return totals;
}

// TABLE(provider text, key_source text, keys bigint, in_flight bigint)
Datum pool_totals(const pg::Args& args) {
  store::catch_up();
  core::Database& database = store::current_database();
  store::ensure_mirrored(database);
  pg::RowSet rows(args);
  for (const Total& total : add_up(database.oid.load())) {
    rows.add(total.provider, core::name(total.kind), total.keys, total.in_flight);
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(tracking_counts, tracking_counts);
KEYPOOL_FUNCTION(pool_totals, pool_totals);

}  // namespace keypool::api
