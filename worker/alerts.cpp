#include "worker/alerts.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "core/alert_words.hpp"
#include "pg/settings.hpp"
#include "store/loader.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

core::AlertLimits present_limits() noexcept {
  const pg::Settings& settings = pg::settings();
  core::AlertLimits limits = {.error_rate = settings.error_rate_alert,
                              .unused = settings.unused_key_alert * core::kSecond,
                              .rate_limit = settings.rate_limit_alert,
                              .cost = settings.cost_alert};
  // The next round of checks shows whether an outage goes on.
  if (settings.health_check_interval != 0) {
    limits.silence += (settings.health_check_interval + core::Micros{settings.request_timeout}) *
                      core::kMillisecond;
  }
  return limits;
}

std::vector<std::int64_t> ids_of(const core::OpenAlerts& alerts) {
  std::vector<std::int64_t> ids;
  for (const auto& [identity, alert] : alerts) ids.push_back(alert.id);
  return ids;
}

std::unordered_set<std::int64_t> keys_of(const core::OpenAlerts& alerts) {
  std::unordered_set<std::int64_t> keys;
  for (const auto& [identity, alert] : alerts) {
    if (alert.key_id != 0) keys.insert(alert.key_id);
  }
  return keys;
}

std::string provider_of(const core::Cause& cause, const core::PoolFacts& facts) {
  if (cause.rotation != core::kNoIndex) return facts.rotations[cause.rotation].provider;
  if (cause.budget != core::kNoIndex) {
    const core::BudgetFact& budget = facts.budgets[cause.budget];
    return budget.scope == core::BudgetScope::kProvider ? budget.subject : std::string();
  }
  return cause.provider == core::kNoIndex ? std::string() : facts.providers[cause.provider].name;
}

std::int64_t key_id_of(const core::Cause& cause, const core::PoolFacts& facts) {
  if (cause.rotation != core::kNoIndex) return facts.rotations[cause.rotation].key_id;
  return cause.key == core::kNoIndex ? 0 : facts.owners[cause.owner].keys[cause.key].key_id;
}

}  // namespace

core::Micros AlertKeeper::next_due(core::Micros now) const noexcept {
  const bool changed = news_ || epoch() != epoch_ || present_limits() != limits_;
  const core::Micros due = changed ? now
                                   : std::min({look_again_, refresh_at_, tracking_.next_due(now),
                                               budgets_.next_due(now), rotations_.next_due(now)});
  return due == core::kNever ? due : std::max(due, not_before_);
}

bool AlertKeeper::run(core::Micros now) {
  const core::Micros began = store::now();
  news_ = false;
  told_ = false;
  core::Micros pause = retry_pause_;
  if (look(now)) {
    retry_pause_ = kPause;
    pause = std::max(kPause, kPauseShare * (store::now() - began));
  } else {
    news_ = true;
    retry_pause_ = std::min(retry_pause_ * 2, kLongestPause);
  }
  not_before_ = now + pause;
  view_ = {};
  judgement_ = {};
  return told_;
}

bool AlertKeeper::look(core::Micros now) {
  const core::AlertLimits limits = present_limits();
  if (limits.cost != limits_.cost) budgets_.forget();
  limits_ = limits;
  if (!catch_up(now) || !watch_tables(now) || !view(now) || !judge(now)) return false;
  look_again_ = judgement_.look_again;
  const Changes found = changes();
  if (!found.raised.empty() || !found.cleared.empty()) {
    if (!write(found, now)) return false;
    told_ = true;
    news_ |= !found.all;
  }
  if (open_.empty()) {
    refresh_at_ = core::kNever;
  } else if (refresh_at_ == core::kNever) {
    refresh_at_ = now + kRefresh;
  }
  return true;
}

// Follows the tables: at the start, when a commit changed keys or providers, and now and then,
// lest somebody who edits keypool.alerts be overlooked.
bool AlertKeeper::catch_up(core::Micros now) {
  const std::uint64_t epoch_now = epoch();
  const bool refresh = now >= refresh_at_;
  if (caught_up_ && epoch_now == epoch_ && !refresh) return true;
  const bool done = attempt([&] {
    store::ensure_mirrored(database_);
    open_ = read_open_alerts();
    if (refresh) touch_alerts(ids_of(open_));
  });
  if (!done) return false;
  caught_up_ = true;
  epoch_ = epoch_now;
  if (refresh) {
    refresh_at_ = core::kNever;
    tracking_.forget();
    budgets_.forget();
    rotations_.forget();
  }
  ages_.clear();
  absent_.clear();
  stored_keys_.clear();
  return true;
}

bool AlertKeeper::watch_tables(core::Micros now) {
  const bool tracking = tracking_.is_due(now);
  const bool budgets = budgets_.is_due(now);
  const bool rotations = rotations_.is_due(now);
  if (!tracking && !budgets && !rotations) return true;
  return attempt([&] {
    if (tracking) tracking_.look(now);
    if (budgets) budgets_.look(now, limits_.cost);
    if (rotations) rotations_.look(now);
  });
}

bool AlertKeeper::view(core::Micros now) {
  const std::unordered_set<std::int64_t> watched = keys_of(open_);
  view_ = view_pool(database_, watched, ages_, limits_.rate_limit, now);
  if (!view_.outdated.empty()) {
    const bool done = attempt([&] {
      for (const std::int64_t key_id : view_.outdated) store::load_key(database_, key_id);
    });
    if (!done) return false;
    view_ = view_pool(database_, watched, ages_, limits_.rate_limit, now);
  }
  std::unordered_set<std::int64_t> absent;
  std::copy_if(watched.begin(), watched.end(), std::inserter(absent, absent.end()),
               [&](std::int64_t id) { return !view_.watched_seen.contains(id); });
  if (absent != absent_) {
    const std::vector<std::int64_t> ids(absent.begin(), absent.end());
    if (!attempt([&] { stored_keys_ = read_stored_keys(ids); })) return false;
    absent_ = std::move(absent);
  }
  for (const auto& [provider, owner] : stored_keys_) {
    const std::size_t index = provider_index(view_.facts, provider);
    if (index == core::kNoIndex) continue;
    view_.facts.owners.push_back(owner);
    view_.facts.owners.back().provider = index;
  }
  view_.facts.tracking = tracking_.figures();
  view_.facts.budgets = budgets_.facts();
  view_.facts.rotations = rotations_.facts();
  busy_.look(view_.facts, limits_.rate_limit, now);
  return true;
}

bool AlertKeeper::judge(core::Micros now) {
  const core::AlertMoment at = {.now = now, .watching_since = watching_since_};
  judgement_ = core::judge_alerts(view_.facts, open_, limits_, at);
  if (judgement_.ages_needed.empty()) return true;
  KeyAges ages;
  if (!attempt([&] { ages = read_key_ages(judgement_.ages_needed); })) return false;
  ages_.merge(ages);
  for (core::OwnerFact& owner : view_.facts.owners) {
    for (core::KeyFact& key : owner.keys) {
      const auto known = ages_.find(key.key_id);
      if (known != ages_.end()) key.created_at = known->second;
    }
  }
  judgement_ = core::judge_alerts(view_.facts, open_, limits_, at);
  return true;
}

// An alert whose severity grew is told anew: cleared and raised.
AlertKeeper::Changes AlertKeeper::changes() const {
  Changes found;
  std::set<core::AlertIdentity> stay;
  for (const core::Cause& cause : judgement_.causes) {
    const auto open = open_.find(cause.identity);
    const bool as_it_is = open != open_.end() && open->second.severity == cause.severity;
    if (as_it_is || found.raised.size() >= kRowsAtOnce) {
      stay.insert(cause.identity);
      found.all &= as_it_is;
    } else {
      found.raised.push_back(cause);
    }
  }
  for (const auto& [identity, alert] : open_) {
    if (stay.contains(identity)) continue;
    if (found.cleared.size() < kRowsAtOnce) {
      found.cleared.push_back(alert.id);
    } else {
      found.all = false;
    }
  }
  return found;
}

bool AlertKeeper::write(const Changes& changes, core::Micros now) {
  std::vector<std::int64_t> keys;
  for (const core::Cause& cause : changes.raised) {
    if (const std::int64_t id = key_id_of(cause, view_.facts)) keys.push_back(id);
  }
  return attempt([&] {
    // Whoever is told finds the row, even after a crash.
    pg::call([] { ForceSyncCommit(); });
    const KeyLabels labels = read_key_labels(keys);
    std::vector<NewAlert> raised;
    for (const core::Cause& cause : changes.raised) {
      const std::int64_t key_id = key_id_of(cause, view_.facts);
      const auto label = labels.find(key_id);
      if (key_id != 0 && label == labels.end()) continue;  // revoked a moment ago
      const core::KeyLabel named = key_id != 0 ? label->second : core::KeyLabel{};
      raised.push_back({cause.identity, cause.severity, provider_of(cause, view_.facts), key_id,
                        core::describe_alert(cause, view_.facts, named, limits_, now)});
    }
    if (!changes.cleared.empty()) clear_alerts(changes.cleared);
    if (!raised.empty()) raise_alerts(raised);
    open_ = read_open_alerts();
  });
}

std::uint64_t AlertKeeper::epoch() const noexcept { return database_.epochs.of_keys(); }

}  // namespace keypool::worker
