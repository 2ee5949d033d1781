#include "store/report.hpp"

#include <mutex>
#include <string>

#include "core/error.hpp"
#include "core/selection.hpp"
#include "store/budget_settlement.hpp"
#include "store/key_slot.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

void note_dirty(core::Database& database) noexcept {
  if (database.dirty.load(std::memory_order_relaxed)) return;
  if (!database.dirty.exchange(true)) wake_worker(database.oid.load(std::memory_order_relaxed));
}

bool report_failure(core::Database& database, std::int64_t key_id, const core::Failure& failure,
                    const core::RateLimits& limits) {
  return change_slot(
      database, key_id, [&](core::Slot& slot, core::Provider& provider, const core::Moment& at) {
        const bool blamed = core::note_failure(slot, provider, failure, at.now, at.random);
        ++slot.usage.requests;
        slot.usage.errors += blamed ? 1 : 0;
        slot.usage.recent.add(at.now, blamed);
        // What is used up for one model alone is left for the others.
        if (!failure.is_of_model_alone()) slot.told.tell(at.now, limits);
      });
}

bool report_success(core::Database& database, std::int64_t key_id, double latency_ms,
                    const core::RateLimits& limits) {
  return change_slot(database, key_id,
                     [&](core::Slot& slot, core::Provider& provider, const core::Moment& at) {
                       core::note_success(slot, provider, at.now);
                       ++slot.usage.requests;
                       slot.usage.recent.add(at.now, false);
                       note_latency(slot, provider, latency_ms);
                       slot.told.tell(at.now, limits);
                     });
}

bool report_check(core::Database& database, std::int64_t key_id, const core::Failure& failure,
                  double latency_ms) {
  return change_slot(database, key_id,
                     [&](core::Slot& slot, core::Provider& provider, const core::Moment& at) {
                       slot.usage.last_checked_at = at.now;
                       if (failure.kind == core::FailureClass::kNone) {
                         core::note_check_passed(slot, provider, at.now);
                         note_latency(slot, provider, latency_ms);
                       } else {
                         core::note_failure(slot, provider, failure, at.now, at.random);
                       }
                     });
}

void release_lease(core::Database& database, std::int64_t lease_id, bool unused) {
  const auto lease = pool().leases().take(lease_id, database.oid.load());
  // Nobody may have come by yet to end it: its time is over all the same.
  const bool expired = lease && lease->expires_at <= now();
  if (lease) {
    change_slot(database, lease->key_id,
                [&](core::Slot& slot, core::Provider&, const core::Moment&) {
                  core::return_lease(slot, *lease, unused && !expired);
                });
    give_back_budgets(*lease);
  }
  if (lease && !expired) return;
  throw core::Error(core::ErrorCode::kLeaseUnknown,
                    "lease " + std::to_string(lease_id) + " is not known",
                    "It was settled or released before, or keypool.lease_timeout has passed.");
}

std::uint32_t expire_leases() {
  std::uint32_t freed = 0;
  std::uint32_t from = 0;
  while (const auto lease = pool().leases().take_expired(from, now())) {
    with_slot(lease->database, lease->key_id,
              [&](core::Slot& slot, core::Provider&, const core::Moment&) {
                core::return_lease(slot, *lease, false);
              });
    give_back_budgets(*lease);
    ++freed;
  }
  return freed;
}

}  // namespace keypool::store
