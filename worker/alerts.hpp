// Keeps keypool.alerts true: one open row for each cause that lasts (core/alert_rules.hpp).
//
// A duty of the worker. Judges at most once a second while something happens, and otherwise when
// the clock alone may change the judgement; an idle database is left alone. What is open stands in
// the table and nowhere else, so that a new worker goes on where the last one ended.
//
// The pool is copied under its lock first; tables are read and written in short transactions after.
// A failure is noted for keypool.worker_status and tried again with growing pauses.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/limit_alert.hpp"
#include "core/pool.hpp"
#include "worker/alert_facts.hpp"
#include "worker/alert_table.hpp"
#include "worker/budget_watch.hpp"
#include "worker/rotation_watch.hpp"
#include "worker/tracking_watch.hpp"

namespace keypool::worker {

class AlertKeeper {
 public:
  AlertKeeper(core::Database& database, core::Micros now)
      : database_(database),
        watching_since_(now),
        tracking_(database),
        budgets_(database),
        rotations_(database) {}

  // Keys of this database are in use.
  void note_news() noexcept { news_ = true; }

  core::Micros next_due(core::Micros now) const noexcept;
  // True: alerts were raised or cleared, of which webhooks are to be told.
  bool run(core::Micros now);

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  // The pause after a judgement is at least so many times as long as the judgement took: however
  // many keys there are, it costs a twentieth of a processor at most.
  static constexpr core::Micros kPauseShare = 20;
  // How often alerts that last are marked as seen, and compared with the table.
  static constexpr core::Micros kRefresh = 10 * core::kMinute;
  // Rows written in one transaction; the rest has its turn a pause later.
  static constexpr std::size_t kRowsAtOnce = 1000;

  struct Changes {
    std::vector<core::Cause> raised;
    std::vector<std::int64_t> cleared;
    bool all = true;  // false: there are more
  };

  bool look(core::Micros now);
  bool catch_up(core::Micros now);
  bool watch_tables(core::Micros now);
  bool view(core::Micros now);
  bool judge(core::Micros now);
  bool write(const Changes& changes, core::Micros now);
  Changes changes() const;
  std::uint64_t epoch() const noexcept;

  core::Database& database_;
  core::Micros watching_since_;

  // As of the last commit that changed keys.
  bool caught_up_ = false;
  std::uint64_t epoch_ = 0;
  core::AlertLimits limits_;
  core::OpenAlerts open_;  // as the table has them
  // What the pool does not know, as read since then.
  KeyAges ages_;
  std::unordered_set<std::int64_t> absent_;
  std::vector<std::pair<std::string, core::OwnerFact>> stored_keys_;

  TrackingWatch tracking_;
  BudgetWatch budgets_;
  RotationWatch rotations_;
  core::BusyMinutes busy_;

  // During a run.
  PoolView view_;
  core::Judgement judgement_;

  bool news_ = true;
  bool told_ = false;  // in this run
  core::Micros look_again_ = core::kNever;
  core::Micros refresh_at_ = core::kNever;
  core::Micros not_before_ = 0;
  core::Micros retry_pause_ = kPause;
};

}  // namespace keypool::worker
