#include "worker/expiry.hpp"

#include <algorithm>

#include "pg/spi.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

struct Round {
  std::int32_t destroyed = 0;
  core::Micros next = core::kNever;
};

Round destroy_expired(std::int32_t most) {
  pg::Session session;
  Round round;
  // Sees what the function in it has done: SQL that is run anew.
  round.destroyed = session.run("SELECT keypool.expire_keys($1)", most).get<std::int32_t>(0, 0);
  const pg::Rows rows = session.run(
      "SELECT min(expires_at) FROM keypool.api_keys"
      " WHERE revoked_at IS NULL AND expires_at < 'infinity'");
  if (const auto next = rows.optional<pg::Instant>(0, 0)) round.next = next->value;
  return round;
}

}  // namespace

core::Micros Expiry::next_due(core::Micros now) const noexcept {
  if (database_.epochs.of_keys() == epoch_) return next_;
  return std::min(next_, std::max(now, not_before_));
}

void Expiry::run(core::Micros now) {
  const std::uint64_t epoch = database_.epochs.of_keys();
  Round round;
  const bool done = attempt([&] { round = destroy_expired(kKeysAtOnce); });
  not_before_ = now + kPause;
  if (!done || (round.destroyed == 0 && round.next <= now)) {
    next_ = not_before_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
    return;
  }
  epoch_ = epoch;
  next_ = round.next;
  pause_ = kPause;
}

}  // namespace keypool::worker
