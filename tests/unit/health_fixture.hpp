// Some keys of one provider outside any pool, and what is reported of them.
#pragma once

#include <gtest/gtest.h>

#include "core/health.hpp"

namespace keypool::core {

inline Failure failure_of(FailureClass kind, Micros retry_at = 0) {
  return {.kind = kind, .retry_at = retry_at};
}

// One key of a provider with `keys` keys, outside any pool.
class HealthTest : public ::testing::Test {
 protected:
  HealthTest() {
    provider.health.keys = 1;
    for (Slot& slot : slots) slot.config.enabled = true;
  }
  bool fail(FailureClass kind, Micros now, Micros retry_at = 0, int key = 0) {
    return note_failure(slots[key], provider, failure_of(kind, retry_at), now, random);
  }
  void succeed(Micros now, int key = 0) { note_success(slots[key], provider, now); }
  // What take_key does to the key's health; false when it may not be taken.
  bool pick(Micros now) {
    settle(health, now);
    if (health.state == KeyState::kHealthy) return true;
    if (health.state != KeyState::kHalfOpen || health.probes_left == 0) return false;
    take_probe(health, now);
    return true;
  }
  int picks_allowed(Micros now) {
    int picks = 0;
    while (picks < 100 && pick(now)) ++picks;
    return picks;
  }
  Micros backoff_until() const { return provider.backoff_until.load(); }

  Slot slots[4] = {};
  Health& health = slots[0].health;
  Provider provider = {};
  Random random{1};
};

}  // namespace keypool::core
