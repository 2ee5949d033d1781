// keypool.worker_state(): what is known of this database's worker and of the pool, one row even
// when no worker runs.
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "pg/entry.hpp"
#include "pg/lwlock.hpp"
#include "pg/result.hpp"
#include "pg/settings.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

std::int32_t keys_in_pool() {
  const pg::SharedGuard guard(store::pool_lock());
  const core::Pool& pool = store::pool();
  std::uint32_t keys = 0;
  for (std::uint32_t i = 0; i < pool.group_limit(); ++i) {
    const core::Group& group = pool.group(i);
    if (group.used && group.database == MyDatabaseId) keys += group.count;
  }
  return static_cast<std::int32_t>(keys);
}

std::optional<pg::Instant> instant(core::Micros time) {
  if (time == 0) return std::nullopt;
  return pg::Instant{time};
}

std::string_view state_name(const store::WorkerReport& report) {
  const bool off = report.state == store::WorkerState::kAbsent && !pg::settings().worker;
  return off ? "off" : store::name(report.state);
}

// TABLE(pid int, state text, started_at timestamptz, last_cycle_at timestamptz, keys_watched
// bigint, checks_done bigint, checks_failed bigint, checks_in_flight int, pool_keys int, pool_slots
// int, evictions bigint, last_error text)
Datum worker_state(const pg::Args& args) {
  store::WorkerReport report = store::worker_report(MyDatabaseId);
  std::optional<std::int32_t> pid;
  if (report.pid != 0) {
    pid = report.pid;
  } else {  // the rest is of a worker that has gone
    report.started_at = 0;
    report.figures = {};
  }
  const std::string_view text(report.last_error.data());
  const auto last_error = text.empty() ? std::nullopt : std::optional(text);
  const store::WorkerFigures& figures = report.figures;
  const core::Pool& pool = store::pool();
  pg::RowSet rows(args);
  rows.add(pid, state_name(report), instant(report.started_at), instant(report.last_cycle_at),
           figures.keys_watched, figures.checks_done, figures.checks_failed,
           figures.checks_in_flight, keys_in_pool(), static_cast<std::int32_t>(pool.capacity()),
           static_cast<std::int64_t>(pool.evictions()), last_error);
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(worker_state, worker_state);

}  // namespace keypool::api
