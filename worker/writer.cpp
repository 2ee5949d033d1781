#include "worker/writer.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/health.hpp"
#include "core/limits_text.hpp"
#include "core/model_blocks.hpp"
#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// Slots copied under one hold of a group's lock: picks from a large group wait for no more.
constexpr std::size_t kSlotsAtOnce = 32;
constexpr std::size_t kRowsAtOnce = 8192;

// Times are microseconds since 2000, 0 for none. A key that was deleted meanwhile is left out. What
// was the last error is known here even when a restart has emptied shared memory.
constexpr const char* kUpsert = R"(
INSERT INTO keypool.key_state AS old (
  key_id, state, cooldown_until, failure_class, failure_streak, last_error, last_error_at,
  last_checked_at, picks, requests, errors, tokens, cost_nano, cost_today_nano, cost_day,
  last_used_at, model_blocks, updated_at, limit_counts)
SELECT
  k.id, n.state, era.start + nullif(n.cooldown_until, 0) * era.tick,
  nullif(n.failure_class, 'none'), n.failure_streak, nullif(n.last_error, ''),
  era.start + nullif(n.last_error_at, 0) * era.tick,
  era.start + nullif(n.last_checked_at, 0) * era.tick,
  n.picks, n.requests, n.errors, n.tokens, n.cost_nano, n.cost_today_nano,
  date '2000-01-01' + nullif(n.cost_day, 0)::int,
  era.start + nullif(n.last_used_at, 0) * era.tick, nullif(n.model_blocks, ''), now(),
  nullif(n.limit_counts, '')
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
AS n (
  key_id, state, cooldown_until, failure_class, failure_streak, last_error, last_error_at,
  last_checked_at, picks, requests, errors, tokens, cost_nano, cost_today_nano, cost_day,
  last_used_at, model_blocks, limit_counts)
JOIN keypool.api_keys AS k ON k.id = n.key_id
CROSS JOIN (VALUES (timestamptz '2000-01-01 00:00:00+00', interval '1 microsecond'))
  AS era (start, tick)
ON CONFLICT (key_id) DO UPDATE SET
  state = excluded.state,
  cooldown_until = excluded.cooldown_until,
  failure_class = excluded.failure_class,
  failure_streak = excluded.failure_streak,
  last_error = coalesce(excluded.last_error, old.last_error),
  last_error_at = excluded.last_error_at,
  last_checked_at = excluded.last_checked_at,
  picks = excluded.picks,
  requests = excluded.requests,
  errors = excluded.errors,
  tokens = excluded.tokens,
  cost_nano = excluded.cost_nano,
  cost_today_nano = excluded.cost_today_nano,
  cost_day = excluded.cost_day,
  last_used_at = excluded.last_used_at,
  model_blocks = excluded.model_blocks,
  updated_at = excluded.updated_at,
  limit_counts = excluded.limit_counts)";

template <typename Record, typename Pick>
std::vector<std::int64_t> numbers(std::span<const Record> records, Pick pick) {
  std::vector<std::int64_t> column;
  column.reserve(records.size());
  for (const Record& record : records) column.push_back(static_cast<std::int64_t>(pick(record)));
  return column;
}

template <typename Record, typename Pick>
std::vector<std::string_view> texts(std::span<const Record> records, Pick pick) {
  std::vector<std::string_view> column;
  column.reserve(records.size());
  for (const Record& record : records) column.push_back(pick(record));
  return column;
}

template <typename Record>
void upsert(std::span<const Record> records) {
  std::vector<std::string> errors;
  std::vector<std::string> blocks;
  std::vector<std::string> limits;
  const core::Micros now = store::now();
  for (const Record& record : records) {
    errors.push_back(core::last_error_text(record.health));
    blocks.push_back(core::model_blocks_text(record.health, now));
    limits.push_back(core::LimitsText::write(record.limits, now));
  }
  const auto view = [](const std::string& text) { return std::string_view(text); };
  pg::Session session;
  session.run(kUpsert, numbers(records, [](const Record& r) { return r.key_id; }),
              texts(records, [](const Record& r) { return core::name(r.health.state); }),
              numbers(records, [](const Record& r) { return r.health.cooldown_until; }),
              texts(records, [](const Record& r) { return core::name(r.health.failure); }),
              numbers(records, [](const Record& r) { return r.health.streak; }),
              texts(std::span<const std::string>(errors), view),
              numbers(records, [](const Record& r) { return r.health.last_error_at; }),
              numbers(records, [](const Record& r) { return r.usage.last_checked_at; }),
              numbers(records, [](const Record& r) { return r.usage.picks; }),
              numbers(records, [](const Record& r) { return r.usage.requests; }),
              numbers(records, [](const Record& r) { return r.usage.errors; }),
              numbers(records, [](const Record& r) { return r.usage.tokens; }),
              numbers(records, [](const Record& r) { return r.usage.cost_nano; }),
              numbers(records, [](const Record& r) { return r.usage.cost_today_nano; }),
              numbers(records, [](const Record& r) { return r.usage.cost_day; }),
              numbers(records, [](const Record& r) { return r.usage.last_used_at; }),
              texts(std::span<const std::string>(blocks), view),
              texts(std::span<const std::string>(limits), view));
}

}  // namespace

core::Micros Writer::next_due(core::Micros now) const noexcept {
  if (!database_.dirty.load()) return core::kNever;
  return std::max(now, not_before_);
}

void Writer::run(core::Micros now) {
  leases_.note_use(now);
  not_before_ = now + pause_;
  const std::vector<KeyRecord> records = copy_changed();
  if (records.empty()) return;
  const auto problem = pg::run_transaction([&] {
    const pg::ActAs owner(store::catalog().owner);
    for (std::size_t done = 0; done < records.size(); done += kRowsAtOnce) {
      const std::size_t count = std::min(kRowsAtOnce, records.size() - done);
      upsert(std::span(records).subspan(done, count));
    }
  });
  if (problem.has_value()) {
    mark_changed(records);
    store::note_worker_error(problem->message);
    pause_ = std::min(pause_ * 2, kLongestPause);
  } else {
    pause_ = kPause;
  }
  not_before_ = now + pause_;
}

// Sessions that the same shutdown ends go on for some moments, and use keys until then.
void Writer::finish() {
  for (int round = 0; round < kLastRounds; ++round) {
    if (database_.dirty.load()) run(store::now());
    if (pause_ != kPause) return;  // it could not be written
    pg_usleep(kLastPause);
    if (!database_.dirty.load()) return;
  }
}

std::vector<Writer::KeyRecord> Writer::copy_changed() {
  std::vector<KeyRecord> records;
  // First: what changes from here on sets it again.
  database_.dirty.store(false);
  const std::uint32_t oid = database_.oid.load();
  const pg::SharedGuard guard(store::pool_lock());
  core::Pool& pool = store::pool();
  for (std::uint32_t i = 0; i < pool.group_limit(); ++i) {
    core::Group& group = pool.group(i);
    if (!group.used || group.database != oid) continue;
    std::span<core::Slot> rest = pool.slots_of(group);
    while (!rest.empty()) {
      const std::span<core::Slot> part = rest.first(std::min(kSlotsAtOnce, rest.size()));
      KeyRecord copies[kSlotsAtOnce];
      std::size_t changed = 0;
      {
        const std::lock_guard lock(group.lock);
        for (core::Slot& slot : part) {
          if (std::exchange(slot.dirty, false)) {
            copies[changed++] = {slot.config.key_id, slot.health, slot.usage,
                                 core::limit_counts(slot)};
          }
        }
      }
      records.insert(records.end(), copies, copies + changed);
      rest = rest.subspan(part.size());
    }
  }
  std::sort(records.begin(), records.end(),
            [](const KeyRecord& a, const KeyRecord& b) { return a.key_id < b.key_id; });
  return records;
}

void Writer::mark_changed(const std::vector<KeyRecord>& records) {
  const std::uint32_t oid = database_.oid.load();
  {
    const pg::SharedGuard guard(store::pool_lock());
    core::Pool& pool = store::pool();
    for (const KeyRecord& record : records) {
      const std::uint32_t index = pool.find_slot(oid, record.key_id);
      if (index == core::kNone) continue;
      core::Slot& slot = pool.slot(index);
      const std::lock_guard lock(pool.group(slot.group).lock);
      slot.dirty = true;
    }
  }
  database_.dirty.store(true);
}

}  // namespace keypool::worker
