#include "worker/reencryption.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "pg/spi.hpp"
#include "store/coherence.hpp"
#include "store/keyring.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"
#include "worker/process.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/guc.h"
}

namespace keypool::worker {

using store::Reencryption::kBlocked;
using store::Reencryption::kDone;
using store::Reencryption::kRunning;
using store::Reencryption::kSettling;
using store::Reencryption::kWaiting;

namespace {

// A batch that a crash undoes is made again, so nobody need wait for the disk.
void commit_lazily() {
  pg::call([] {
    set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                      true, 0, false);
  });
}

}  // namespace

core::Micros Reencryption::next_due(core::Micros now) const noexcept {
  const bool changed = !looked_ || database_.epochs.mirrored.load() != epoch_;
  return changed ? std::max(now, not_before_) : next_;
}

bool Reencryption::run(core::Micros now) {
  // First: what happens from here on calls for another look.
  epoch_ = database_.epochs.mirrored.load();
  looked_ = true;
  Plan plan;
  if (!attempt([&] { plan = read_plan(); })) {
    fail(now);
    return false;
  }
  if (plan.newest != newest_) begin(plan, now);
  if (plan.older == 0) {
    next_ = core::kNever;
    const bool ended = report_.state != kDone;
    report_.state = kDone;
    if (ended) report();
    return false;
  }
  if (settled_at_ != 0) return now < settled_at_ + kLinger ? false : remove(now);
  if (plan.not_retired != 0 && !retire(plan)) {
    fail(now);
    return false;
  }
  if (!in_pass_) {
    // Without a pass's snapshot later than that, nothing would be proved.
    if (!first_pass_ && known_left_ == 0 && plan.not_retired != 0) {
      wait(kWaiting, now + kPause);
      return false;
    }
    settled_ = plan.not_retired == 0;
    begin_pass(now);
  }
  return batch(now);
}

Reencryption::Plan Reencryption::read_plan() {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT number, retired_at IS NOT NULL FROM keypool.data_keys WHERE purpose = 'data'"
      " ORDER BY number DESC");
  Plan plan;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i == 0) {
      plan.newest = static_cast<std::uint32_t>(rows.get<std::int32_t>(i, 0));
      continue;
    }
    ++plan.older;
    plan.not_retired += !rows.get<bool>(i, 1);
  }
  return plan;
}

void Reencryption::begin(const Plan& plan, core::Micros now) {
  newest_ = plan.newest;
  listed_ = false;
  settled_ = false;
  first_pass_ = true;
  in_pass_ = false;
  settled_at_ = 0;
  known_left_ = known_rows_ = 0;
  report_ = {.state = plan.older == 0 ? kDone : kRunning, .data_key = plan.newest};
  if (plan.older != 0) report_.started_at = now;
  report();
}

void Reencryption::begin_pass(core::Micros) {
  pass_ = {};
  block_ = 0;
  effort_ = 0;
  in_pass_ = true;
}

// Whoever sealed under an older data key has ended: from now on nothing is sealed under it.
bool Reencryption::retire(Plan& plan) {
  return attempt([&] {
    if (!listed_) writers_.list();
    listed_ = true;
    if (writers_.any_left()) return;
    pg::Session session;
    session.run(
        "UPDATE keypool.data_keys SET retired_at = clock_timestamp()"
        " WHERE purpose = 'data' AND number < $1 AND retired_at IS NULL",
        static_cast<std::int32_t>(newest_));
    plan.not_retired = 0;
  });
}

bool Reencryption::batch(core::Micros now) {
  store::Resealed pass = pass_;
  std::uint32_t block = block_;
  bool over = false;
  const bool done = attempt([&] {
    commit_lazily();
    core::Keyring& ring = store::keyring(newest_);
    const core::Micros until = now + kBatch;
    do {
      const store::Resealed some =
          store::reseal_blocks(ring, newest_, store::SealedTable::kApiKeys, block, kBlocksAtOnce);
      pass.add(some);
      pass.blocks = some.blocks;
      block += kBlocksAtOnce;
      over = block >= some.blocks;
    } while (!over && store::now() < until);
    if (over) {
      pass.add(
          store::reseal_blocks(ring, newest_, store::SealedTable::kWebhooks, 0, MaxBlockNumber));
    }
  });
  if (!done) {
    fail(now);
    return false;
  }
  retry_pause_ = kPause;
  pass_ = pass;
  block_ = block;
  const core::Micros later = store::now();
  effort_ += later - now;
  report_.state = kRunning;
  next_ = later;
  if (over) return end_pass(later);
  report();
  return false;
}

bool Reencryption::end_pass(core::Micros now) {
  in_pass_ = first_pass_ = false;
  known_left_ = pass_.left();
  known_rows_ = pass_.rows;
  report();
  if (pass_.left() == 0) return settled_ ? settle(now) : false;
  if (!pass_.problem.empty()) store::note_worker_error(pass_.problem);
  const core::Micros pause = std::clamp(kPausePerEffort * effort_, kPause, kLongestPause);
  wait(pass_.busy != 0 ? kWaiting : kBlocked, now + pause);
  return false;
}

// What a pass could not see, since each of its batches has a snapshot of its own, one snapshot
// does.
bool Reencryption::settle(core::Micros now) {
  std::int64_t old = 0;
  const bool done = attempt([&] {
    old = store::count_old_seals(newest_);
    if (old == 0) store::tell_standbys_to_reload();
  });
  if (!done) {
    fail(now);
    return false;
  }
  if (old != 0) return false;  // another pass; or this process is to stop
  store::reload_everything(database_);
  epoch_ = database_.epochs.mirrored.load();
  settled_at_ = now;
  wait(kSettling, now + kLinger);
  return true;
}

bool Reencryption::remove(core::Micros now) {
  const bool done = attempt([&] {
    pg::Session session;
    session.run(
        "DELETE FROM keypool.data_keys WHERE purpose = 'data' AND number < $1"
        " AND retired_at IS NOT NULL",
        static_cast<std::int32_t>(newest_));
  });
  if (!done) {
    fail(now);
    return false;
  }
  settled_at_ = 0;
  report_.finished_at = store::now();
  wait(kDone, core::kNever);
  return true;
}

void Reencryption::wait(store::Reencryption state, core::Micros until) {
  report_.state = state;
  next_ = until;
  if (until != core::kNever) not_before_ = std::min(until, store::now() + kPause);
  report();
}

void Reencryption::fail(core::Micros now) {
  next_ = not_before_ = now + retry_pause_;
  retry_pause_ = std::min(retry_pause_ * 2, kLongestPause);
}

void Reencryption::report() {
  report_.failed = pass_.failed;
  if (in_pass_ && first_pass_) {
    const std::uint32_t seen = std::min(block_, pass_.blocks);
    const std::int64_t unseen =
        seen == 0 ? 0 : pass_.rows * static_cast<std::int64_t>(pass_.blocks - seen) / seen;
    report_.done = pass_.rows - pass_.left();
    report_.left = pass_.left() + unseen;
  } else {
    const std::int64_t found = in_pass_ ? pass_.resealed : 0;
    report_.left = std::max(known_left_ - found, pass_.left());
    report_.done = std::max<std::int64_t>(known_rows_ - report_.left, 0);
  }
  store::note_reencryption(report_);
}

}  // namespace keypool::worker
