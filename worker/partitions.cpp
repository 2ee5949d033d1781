#include "worker/partitions.hpp"

#include <algorithm>
#include <string_view>

#include "pg/owner.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

Oid extension_owner() {
  pg::Session session;
  const pg::Rows rows =
      session.run("SELECT extowner FROM pg_catalog.pg_extension WHERE extname = 'pg_keypool'");
  return rows.empty() ? InvalidOid : rows.get<Oid>(0, 0);
}

// The locks are held until the commit is done: it must not wait for the disk. What a crash undoes
// is done again.
void commit_at_once() {
  pg::Session session;
  session.run("SET LOCAL synchronous_commit = off");
}

}  // namespace

core::Micros PartitionKeeper::next_due(core::Micros now) const noexcept {
  return pg::settings().request_retention != retention_ ? now : next_;
}

void PartitionKeeper::note_news(core::Micros now) noexcept {
  next_ = std::min(next_, std::max(now, not_before_));
}

void PartitionKeeper::run(core::Micros now) {
  retention_ = pg::settings().request_retention;
  const Step step = take_step();
  const core::Micros later = store::now();
  if (step == Step::kLater) {
    next_ = not_before_ = later + retry_pause_;
    retry_pause_ = std::min(retry_pause_ * 2, kLongestPause);
    return;
  }
  retry_pause_ = kRetryPause;
  if (step == Step::kMore) {
    next_ = not_before_ = later + kStepPause;
    return;
  }
  not_before_ = later + std::max(kNewsPause, (later - now) * kPauseShare);
  next_ = next_appointment(now);
}

PartitionKeeper::Step PartitionKeeper::take_step() {
  Step step = Step::kDone;
  const auto problem = pg::run_transaction([&] {
    const Oid owner = extension_owner();
    if (owner == InvalidOid) return;
    commit_at_once();
    const pg::ActAs role(owner);
    pg::Session session;
    const pg::Rows rows = session.run("SELECT keypool.tend_request_partitions()");
    const auto answer = rows.get<std::string_view>(0, 0);
    if (answer == "more") step = Step::kMore;
    if (answer == "busy") step = Step::kLater;
  });
  if (!problem.has_value()) return step;
  store::note_worker_error(problem->message);
  return Step::kLater;
}

// When the clock alone makes something due: a day begins, or one has been over for as long as it is
// kept.
core::Micros PartitionKeeper::next_appointment(core::Micros now) const noexcept {
  const core::Micros today = now / core::kDay * core::kDay;
  const core::Micros expiry = today + retention_ * core::kMinute % core::kDay;
  return std::min(today + core::kDay, expiry > now ? expiry : expiry + core::kDay);
}

}  // namespace keypool::worker
