#include "store/spent_today.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/standing.hpp"
#include "pg/lwlock.hpp"
#include "pg/spi.hpp"
#include "store/key_slot.hpp"
#include "store/loader.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

using Sums = std::unordered_map<std::int64_t, std::int64_t>;  // nano-dollars by key

bool nobody_settles() noexcept {
  const SettlementCount& count = settlement_count();
  // In this order: one that begins in between is seen.
  const std::uint64_t ended = count.ended.load();
  return count.begun.load() == ended;
}

// Whether a transaction that the snapshot sees has still to add what it logged.
bool lacks_a_settlement(const SnapshotData& snapshot) noexcept {
  for (const Settlement& settlement : settlements()) {
    const TransactionId xid = settlement.xid.load();
    if (TransactionIdIsValid(xid) && has_seen(snapshot, xid)) return true;
  }
  return false;
}

Sums live_sums(core::Database& database, core::Micros at) {
  Sums sums;
  const std::uint32_t oid = database.oid.load();
  const pg::SharedGuard guard(pool_lock());
  core::Pool& all = pool();
  for (std::uint32_t i = 0; i < all.group_limit(); ++i) {
    core::Group& group = all.group(i);
    if (!group.used || group.database != oid) continue;
    for (const core::Slot& slot : all.slots_of(group)) {
      sums[slot.config.key_id] = core::cost_today(slot.usage, at);
    }
  }
  return sums;
}

// The live sums as of the latest snapshot, which is the active one then; the caller pops it.
std::optional<Sums> cut(core::Database& database) {
  if (!nobody_settles()) return std::nullopt;
  const std::uint64_t begun = settlement_count().begun.load();
  pg::call([] { PushActiveSnapshot(GetLatestSnapshot()); });
  Sums sums = live_sums(database, now());
  const Snapshot snapshot = GetActiveSnapshot();
  if (!lacks_a_settlement(*snapshot) && settlement_count().begun.load() == begun) return sums;
  pg::call([] { PopActiveSnapshot(); });
  return std::nullopt;
}

struct Difference {
  std::int64_t key_id;
  std::int64_t nano;
};

// Of keys out of the pool the row is what their next load starts from.
std::vector<Difference> differences(const Sums& live) {
  std::vector<Difference> found;
  pg::Session session;
  const pg::Rows rows = session.read(
      "WITH logged AS ("
      "  SELECT u.api_key_id AS key_id, sum(u.cost_nano)::bigint AS nano FROM keypool.usage_parts u"
      "  WHERE u.day = (now() AT TIME ZONE 'UTC')::date AND u.api_key_id > 0 GROUP BY 1),"
      " kept AS ("
      "  SELECT s.key_id, s.cost_today_nano AS nano FROM keypool.key_state s"
      "  WHERE s.cost_day = (now() AT TIME ZONE 'UTC')::date)"
      " SELECT k.id, coalesce(l.nano, 0), coalesce(p.nano, 0) FROM keypool.api_keys k"
      " LEFT JOIN logged l ON l.key_id = k.id LEFT JOIN kept p ON p.key_id = k.id"
      " WHERE l.nano IS NOT NULL OR p.nano IS NOT NULL ORDER BY k.id");
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto key_id = rows.get<std::int64_t>(row, 0);
    const auto present = live.find(key_id);
    const std::int64_t known =
        present != live.end() ? present->second : rows.get<std::int64_t>(row, 2);
    const std::int64_t nano = rows.get<std::int64_t>(row, 1) - known;
    if (nano != 0) found.push_back({key_id, nano});
  }
  return found;
}

bool correct_in_pool(core::Database& database, const Difference& difference) {
  return change_slot(database, difference.key_id,
                     [&](core::Slot& slot, core::Provider&, const core::Moment& at) {
                       const auto today = static_cast<std::int32_t>(at.now / core::kDay);
                       if (slot.usage.cost_day != today) slot.usage.cost_today_nano = 0;
                       slot.usage.cost_day = today;
                       slot.usage.cost_today_nano += difference.nano;
                     });
}

// In the pool, where a user's key need not be yet: a session that loaded it while its row was being
// corrected would start from what the row was before. The row is for want of room alone.
void correct(core::Database& database, const Difference& difference) {
  if (correct_in_pool(database, difference)) return;
  load_key_if_room(database, difference.key_id);
  if (correct_in_pool(database, difference)) return;
  pg::Session session;
  session.run(
      "INSERT INTO keypool.key_state AS s (key_id, cost_today_nano, cost_day)"
      " VALUES ($1, greatest($2, 0), (now() AT TIME ZONE 'UTC')::date)"
      " ON CONFLICT (key_id) DO UPDATE SET cost_day = excluded.cost_day,"
      " cost_today_nano = greatest($2 + CASE WHEN s.cost_day = excluded.cost_day"
      " THEN s.cost_today_nano ELSE 0 END, 0)",
      difference.key_id, difference.nano);
}

}  // namespace

bool correct_spent_today(core::Database& database) {
  ensure_mirrored(database);
  const auto live = cut(database);
  if (!live) return false;
  const std::vector<Difference> found = differences(*live);
  pg::call([] { PopActiveSnapshot(); });
  for (const Difference& difference : found) correct(database, difference);
  return true;
}

}  // namespace keypool::store
