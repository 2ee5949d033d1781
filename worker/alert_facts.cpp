#include "worker/alert_facts.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>

#include "core/limit_alert.hpp"
#include "core/selection.hpp"
#include "core/standing.hpp"
#include "pg/lwlock.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// Slots looked at under one hold of a group's lock: picks from a large group wait for no more.
constexpr std::size_t kSlotsAtOnce = 32;

core::ProviderFact fact_of(core::Provider& provider) {
  core::ProviderFact fact;
  fact.name = provider.config.name_view();
  fact.enabled = provider.config.enabled;
  const std::lock_guard lock(provider.lock);
  fact.outage = provider.health.outage;
  fact.answered = provider.health.latency.percentile(0.5) > 0;
  fact.backoff = provider.health.backoff;
  fact.backoff_until = provider.backoff_until.load();
  fact.keys = provider.health.keys;
  return fact;
}

template <typename Window>
core::LimitFact window_fact(Window& window, std::int32_t limit, double share,
                            core::Micros now) noexcept {
  core::LimitFact fact = {.limit = limit};
  if (limit == 0) return fact;
  fact.used = static_cast<std::int64_t>(window.count(now));
  if (!core::is_busy(fact, share)) return fact;
  const double over = std::ceil(share * limit) - 1;
  fact.over_at = window.falls_to(now, static_cast<std::uint64_t>(std::max(over, 0.0)));
  return fact;
}

// As standing.cpp counts them.
void add_limits(core::Slot& slot, double limit_share, core::Micros now,
                core::KeyFact& fact) noexcept {
  const core::KeyLimits& limits = slot.config.limits;
  const double share = limit_share * core::kMilderShare;
  const auto place = [&fact](core::KeyLimit limit) -> core::LimitFact& {
    return fact.limits[static_cast<std::size_t>(limit)];
  };
  place(core::KeyLimit::kHour) = window_fact(slot.hour, limits.requests_per_hour, share, now);
  place(core::KeyLimit::kMinute) = window_fact(slot.minute, limits.requests_per_minute, share, now);
  place(core::KeyLimit::kTokens) =
      window_fact(slot.tokens_minute, limits.tokens_per_minute, share, now);
  place(core::KeyLimit::kConcurrency) = {.used = slot.usage.in_flight, .limit = limits.concurrency};
  place(core::KeyLimit::kDailyCost) = {.used = core::committed_today(slot.usage, now),
                                       .limit = limits.cost_per_day_nano,
                                       .over_at = core::next_midnight(now)};
}

core::KeyFact fact_of(core::Slot& slot, double limit_share, core::Micros now) noexcept {
  core::KeyFact fact;
  fact.key_id = slot.config.key_id;
  fact.enabled = slot.config.enabled;
  fact.standing = core::standing_of(slot, {}, now);
  fact.state = slot.health.state;
  fact.failure = slot.health.failure;
  fact.http_status = slot.health.http_status;
  fact.code = slot.health.code;
  fact.requests = slot.usage.recent.requests(now);
  fact.errors = slot.usage.recent.errors(now);
  fact.cooldown_until = slot.health.cooldown_until;
  fact.expires_at = slot.config.expires_at;
  fact.last_used_at = slot.usage.last_used_at;
  fact.rotated_at = slot.config.rotated_at;
  add_limits(slot, limit_share, now, fact);
  return fact;
}

// Copies one database, with the pool's lock held by the caller.
class Copier {
 public:
  Copier(core::Database& database, const std::unordered_set<std::int64_t>& watched,
         double limit_share, core::Micros now)
      : database_(database), watched_(watched), limit_share_(limit_share), now_(now) {}

  PoolView copy() {
    core::Pool& pool = store::pool();
    const std::uint32_t oid = database_.oid.load();
    std::vector<std::size_t> places(core::kMaxProviders, core::kNoIndex);
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      core::Provider& provider = pool.provider(i);
      if (provider.config.database != oid) continue;
      places[i] = view_.facts.providers.size();
      view_.facts.providers.push_back(fact_of(provider));
    }
    for (std::uint32_t i = 0; i < pool.group_limit(); ++i) {
      core::Group& group = pool.group(i);
      if (group.used && group.database == oid) copy_group(group, places[group.provider]);
    }
    return std::move(view_);
  }

 private:
  void copy_group(core::Group& group, std::size_t provider) {
    core::OwnerFact owner;
    owner.provider = provider;
    owner.kind = group.kind;
    if (group.kind != core::OwnerKind::kUser) owner.keys.reserve(group.count);
    std::span<core::Slot> rest = store::pool().slots_of(group);
    while (!rest.empty()) {
      const std::span<core::Slot> part = rest.first(std::min(kSlotsAtOnce, rest.size()));
      core::KeyFact copies[kSlotsAtOnce];
      {
        const std::lock_guard lock(group.lock);
        for (std::size_t i = 0; i < part.size(); ++i) {
          copies[i] = fact_of(part[i], limit_share_, now_);
        }
      }
      for (std::size_t i = 0; i < part.size(); ++i) keep(copies[i], owner);
      rest = rest.subspan(part.size());
    }
    if (owner.keys.empty()) return;
    if (group.kind == core::OwnerKind::kUser) {
      const auto& epochs = database_.epochs.users;
      const std::uint32_t shard = core::Pool::shard_of(group.owner_view());
      if (group.epoch != epochs[shard].load()) view_.outdated.push_back(owner.keys.front().key_id);
    } else {
      owner.owner = group.owner_view();
    }
    view_.facts.owners.push_back(std::move(owner));
  }

  void keep(const core::KeyFact& key, core::OwnerFact& owner) {
    const bool watched = watched_.contains(key.key_id);
    if (watched) view_.watched_seen.insert(key.key_id);
    if (key.requests > key.errors) view_.facts.providers[owner.provider].answered = true;
    const bool troubled = key.state == core::KeyState::kUnhealthy || key.errors != 0 ||
                          core::is_busy(key, limit_share_);
    if (watched || troubled || owner.kind != core::OwnerKind::kUser) owner.keys.push_back(key);
  }

  core::Database& database_;
  const std::unordered_set<std::int64_t>& watched_;
  const double limit_share_;
  const core::Micros now_;
  PoolView view_;
};

}  // namespace

PoolView view_pool(core::Database& database, const std::unordered_set<std::int64_t>& watched,
                   const KeyAges& created, double limit_share, core::Micros now) {
  PoolView view;
  {
    const pg::SharedGuard guard(store::pool_lock());
    view = Copier(database, watched, limit_share, now).copy();
  }
  if (created.empty()) return view;
  for (core::OwnerFact& owner : view.facts.owners) {
    for (core::KeyFact& key : owner.keys) {
      const auto known = created.find(key.key_id);
      if (known != created.end()) key.created_at = known->second;
    }
  }
  return view;
}

std::size_t provider_index(const core::PoolFacts& facts, std::string_view name) {
  const auto found =
      std::find_if(facts.providers.begin(), facts.providers.end(),
                   [&](const core::ProviderFact& provider) { return provider.name == name; });
  return found == facts.providers.end() ? core::kNoIndex
                                        : static_cast<std::size_t>(found - facts.providers.begin());
}

}  // namespace keypool::worker
