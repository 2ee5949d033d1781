#include "store/fold.hpp"

#include <array>
#include <map>
#include <string>

#include "core/request_tally.hpp"
#include "pg/datum.hpp"
#include "pg/guard.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/budget_fold.hpp"
#include "store/catalog.hpp"
#include "store/coherence.hpp"
#include "store/request_usage.hpp"
#include "store/rollup_table.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/date.h"
}

namespace keypool::store {

namespace {

// tracking_rollup: how many of all requests of a bucket are what.
class TrackingSums {
 public:
  void add(const core::RequestDimensions& of, int sign) {
    const bool has_key = of.api_key_id.has_value();
    std::array<std::int64_t, 5>& sums = buckets_[of.bucket];
    sums[0] += sign;
    sums[1] += has_key ? sign : 0;
    sums[2] += of.is_anonymous ? sign : 0;
    sums[3] += !has_key && of.user_id ? sign : 0;
    sums[4] += !has_key && !of.user_id && !of.is_anonymous ? sign : 0;
  }

  void write() const {
    RollupTable table(catalog().tracking_rollup, 1);
    for (const auto& [bucket, sums] : buckets_) {
      const pg::NullableValue key = {TimestampTzGetDatum(bucket), false};
      if (sums != std::array<std::int64_t, 5>{}) table.add({&key, 1}, sums);
    }
    table.close();
  }

 private:
  std::map<core::Micros, std::array<std::int64_t, 5>> buckets_;
};

// usage_rollup, by UTC day.
class UsageSums {
 public:
  UsageSums()
      : table_(catalog().usage_rollup, kKeys), key_memory_(pg::call([] {
          return AllocSetContextCreate(CurrentMemoryContext, "keypool key", ALLOCSET_SMALL_SIZES);
        })) {}

  void add(core::RequestDimensions of, const core::RequestSums& sums, int sign) {
    of.bucket = core::bucket_start(of.bucket, core::kDay);
    if (tally_.is_full()) write();
    tally_.add(of, sums, sign);
  }

  void write() {
    tally_.for_each([this](const core::RequestTally::Group& group) {
      write(group.dimensions, group.sums);
      ++groups_;
    });
    table_.next_round();
    tally_.clear();
  }

  std::int64_t close() {
    write();
    table_.close();
    pg::call([this] { MemoryContextDelete(key_memory_); });
    return groups_;
  }

 private:
  static constexpr int kKeys = 8;

  void write(const core::RequestDimensions& of, const core::RequestSums& sums) {
    const auto keys = pg::call([&] {
      MemoryContextReset(key_memory_);
      MemoryContextSwitchTo(key_memory_);
      return std::array<pg::NullableValue, kKeys>{
          {{DateADTGetDatum(static_cast<DateADT>(of.bucket / core::kDay)), false},
           pg::pack(of.provider),
           pg::pack(of.model),
           pg::pack(of.user_id),
           pg::pack(of.organization_id),
           pg::pack(of.api_key_id),
           pg::pack(of.key_source),
           {BoolGetDatum(of.is_anonymous), false}}};
    });
    const std::int64_t amounts[] = {sums.requests,      sums.errors,        sums.input_tokens,
                                    sums.output_tokens, sums.cached_tokens, sums.cost_nano,
                                    sums.unpriced,      sums.timed,         sums.time_ms};
    table_.add(keys, amounts);
  }

  RollupTable table_;
  MemoryContext key_memory_;
  core::RequestTally tally_;
  std::int64_t groups_ = 0;
};

// The changes below the mark are in no sum any more.
void move_mark(Xid below) {
  const std::string mark = std::to_string(below);
  pg::Session session;
  session.run("DELETE FROM keypool.request_changes WHERE xid < $1::xid8", mark);
  session.run("UPDATE keypool.rollup_state SET folded_below = $1::xid8, folded_at = now()", mark);
}

Fold fold(std::optional<std::int64_t> most) {
  const FoldPlan plan = plan_fold(most);
  if (!plan.below.has_value()) return {plan, 0};
  TrackingSums tracking;
  UsageSums usage;
  BudgetFold budgets;
  visit_unfolded(*plan.below, [&](const RequestVersion& version, int sign) {
    tracking.add(version.dimensions, sign);
    usage.add(version.dimensions, version.sums, sign);
    budgets.add(version.dimensions, version.sums, sign);
  });
  tracking.write();
  budgets.close();
  const std::int64_t groups = usage.close();
  move_mark(*plan.below);
  return {plan, groups};
}

}  // namespace

void lock_rollups(const char* command) {
  const Catalog& relations = catalog();
  pg::call([&relations, command] {
    PreventCommandIfReadOnly(command);
    // In the order in which TRUNCATE and its trigger take theirs. The second keeps folds apart.
    LockRelationOid(relations.requests, AccessShareLock);
    LockRelationOid(relations.rollup_state, ShareUpdateExclusiveLock);
  });
}

Fold fold_requests(std::optional<std::int64_t> most) {
  const Catalog& relations = catalog();
  lock_rollups("fold_requests()");
  const pg::ActAs owner(relations.owner);
  // There moving the mark fails when the last fold is younger than the snapshot.
  if (IsolationUsesXactSnapshot()) return fold(most);
  const pg::LatestSnapshot now_that_it_is_locked;
  return fold(most);
}

void empty_rollups(std::optional<Xid> mark) {
  lock_rollups("rebuild_rollups()");
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  // First: at REPEATABLE READ it fails when there was a fold since the snapshot.
  session.run(
      "INSERT INTO keypool.rollup_state AS s (folded_below) VALUES (coalesce($1::xid8, '0'))"
      " ON CONFLICT (one) DO UPDATE"
      " SET folded_below = coalesce($1::xid8, s.folded_below), folded_at = NULL",
      mark ? std::optional(std::to_string(*mark)) : std::nullopt);
  session.run("DELETE FROM keypool.tracking_rollup");
  session.run("DELETE FROM keypool.usage_rollup");
  session.run("DELETE FROM keypool.budget_spending");
  session.run("DELETE FROM keypool.request_changes");
  if (session.run("SELECT EXISTS (SELECT FROM keypool.budgets)").get<bool>(0, 0)) {
    mark_budgets_changed();
  }
  note_change();
}

}  // namespace keypool::store
