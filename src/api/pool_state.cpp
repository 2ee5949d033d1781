// keypool.pool_keys, keypool.pool_providers: the pool of this database as rows, for the views.
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/health.hpp"
#include "core/selection.hpp"
#include "pg/entry.hpp"
#include "pg/lwlock.hpp"
#include "pg/result.hpp"
#include "store/coherence.hpp"
#include "store/keypool_user.hpp"
#include "store/loader.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

struct SlotCopy {
  core::Slot slot;
  core::Standing standing;
};

// Whose keys the current role is shown.
struct Shown {
  bool all;
  std::optional<std::string> user;

  bool includes(const core::Group& group) const {
    if (all) return true;
    return group.kind == core::OwnerKind::kUser && group.owner_view() == user;
  }
};

Shown shown() {
  if (store::sees_all_users()) return {true, std::nullopt};
  return {false, store::keypool_user()};
}

// Copied under the locks, made into rows after.
std::vector<SlotCopy> copy_slots(core::Database& database, const Shown& shown, core::Micros now) {
  std::vector<SlotCopy> copies;
  const pg::SharedGuard guard(store::pool_lock());
  core::Pool& all = store::pool();
  copies.reserve(all.live_slots());
  for (std::uint32_t i = 0; i < all.group_limit(); ++i) {
    core::Group& group = all.group(i);
    if (!group.used || group.database != database.oid.load()) continue;
    if (!shown.includes(group)) continue;
    const core::Standing provider = core::provider_standing(all.provider(group.provider), now);
    const std::lock_guard lock(group.lock);
    for (core::Slot& slot : all.slots_of(group)) {
      core::Standing standing = core::standing_of(slot, {}, now);
      if (provider.blocked != core::Blocked::kNo) standing = provider;
      copies.push_back({slot, standing});
    }
  }
  return copies;
}

std::optional<pg::Instant> instant(core::Micros at) {
  return at == 0 ? std::nullopt : std::optional<pg::Instant>(pg::Instant{at});
}

std::optional<std::string> last_error(const core::Health& health) {
  std::string text = core::last_error_text(health);
  if (text.empty()) return std::nullopt;  // key_state may know one of before a restart
  return text;
}

std::int64_t whole(std::uint64_t count) { return static_cast<std::int64_t>(count); }

void add_key(pg::RowSet& rows, SlotCopy& copy, core::Micros now) {
  core::Slot& slot = copy.slot;
  const core::Health& health = slot.health;
  const core::Usage& usage = slot.usage;
  const bool cooling = health.state == core::KeyState::kCooling;
  const bool has_failure = health.failure != core::FailureClass::kNone;
  rows.add(slot.config.key_id, core::name(health.state),
           copy.standing.blocked == core::Blocked::kNo, core::describe(copy.standing.blocked),
           cooling ? instant(health.cooldown_until) : std::nullopt,
           has_failure ? std::optional<std::string_view>(core::name(health.failure)) : std::nullopt,
           static_cast<std::int32_t>(health.streak), last_error(health), whole(usage.picks),
           whole(usage.requests), whole(usage.errors), whole(usage.tokens),
           pg::Nanos{core::cost_today(usage, now)}, pg::Nanos{usage.cost_nano},
           static_cast<std::int32_t>(usage.in_flight), whole(slot.hour.count(now)),
           whole(slot.minute.count(now)), whole(slot.tokens_minute.count(now)),
           usage.latency_ms <= 0 ? std::nullopt : std::optional<double>(usage.latency_ms),
           instant(usage.last_used_at), instant(usage.last_checked_at));
}

// keypool.pool_keys() → SETOF: members call it too, by way of keypool.user_api_keys.
Datum pool_keys(const pg::Args& args) {
  const Shown whose = shown();
  store::catch_up();
  core::Database& database = store::current_database();
  store::ensure_mirrored(database);
  const core::Micros now = store::now();
  pg::RowSet rows(args);
  for (SlotCopy& copy : copy_slots(database, whose, now)) add_key(rows, copy, now);
  return rows.finish();
}

struct ProviderCopy {
  core::ProviderConfig config;
  core::ProviderHealth health;
  core::Micros backoff_until;
};

Datum pool_providers(const pg::Args& args) {
  store::catch_up();
  core::Database& database = store::current_database();
  store::ensure_mirrored(database);
  std::vector<ProviderCopy> copies;
  copies.reserve(core::kMaxProviders);
  {
    const pg::SharedGuard guard(store::pool_lock());
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      core::Provider& provider = store::pool().provider(i);
      if (provider.config.database != database.oid.load()) continue;
      const std::lock_guard lock(provider.lock);
      copies.push_back({provider.config, provider.health, provider.backoff_until.load()});
    }
  }
  const core::Micros now = store::now();
  const auto latency = [](double milliseconds) {
    return milliseconds <= 0 ? std::nullopt : std::optional<double>(milliseconds);
  };
  pg::RowSet rows(args);
  for (const ProviderCopy& copy : copies) {
    const bool resting = copy.backoff_until > now;
    rows.add(copy.config.name_view(), resting ? instant(copy.backoff_until) : std::nullopt,
             copy.health.outage && resting, latency(copy.health.latency.percentile(0.5)),
             latency(copy.health.latency.percentile(0.95)));
  }
  return rows.finish();
}

}  // namespace

KEYPOOL_FUNCTION(pool_keys, pool_keys);
KEYPOOL_FUNCTION(pool_providers, pool_providers);

}  // namespace keypool::api
