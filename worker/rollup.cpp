#include "worker/rollup.hpp"

#include <algorithm>
#include <cstdint>

#include "pg/transaction.hpp"
#include "store/fold.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"
#include "worker/interruptible.hpp"
#include "worker/process.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// A backlog, of a restored dump say, is folded in steps: the worker's other duties come in between.
constexpr std::int64_t kRowsAtOnce = 250'000;

}  // namespace

void Rollup::note_news(core::Micros now) noexcept {
  next_ = std::min(next_, std::max(now, not_before_));
}

void Rollup::look_later(core::Micros now) noexcept {
  next_ = now + pause_;
  pause_ = std::min(pause_ * 2, kLongestPause);
}

void Rollup::run(core::Micros now) {
  if (asked_to_stop()) return;
  store::FoldPlan plan = {};
  const auto problem = [&] {
    // One giant transaction cannot be folded in steps.
    const Interruptible while_folding;
    return pg::run_transaction([&] { plan = store::fold_requests(kRowsAtOnce).plan; });
  }();
  // Never much of its time, however many rows and groups there are.
  const core::Micros effort = store::now() - now;
  not_before_ = now + std::clamp(kPausePerEffort * effort, kPause, kLongestRest);
  if (problem.has_value()) {
    if (!asked_to_stop()) store::note_worker_error(problem->message);
    look_later(now);
    not_before_ = next_;
  } else if (plan.below.has_value()) {
    pause_ = kPause;
    next_ = plan.is_all ? not_before_ : now;
  } else if (plan.has_tail) {
    look_later(now);
  } else {
    pause_ = kPause;
    next_ = core::kNever;
  }
}

}  // namespace keypool::worker
