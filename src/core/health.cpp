#include "core/health.hpp"

#include <algorithm>
#include <mutex>

namespace keypool::core {

namespace {

// 1, 2, 4 … times the first step, with up to a quarter more so that keys do not come back in step.
Micros exponential(Micros first, Micros longest, std::uint8_t exponent, Random& random) {
  const Micros plain = first << std::min<int>(exponent, 20);
  const Micros bounded = std::min(plain, longest);
  const auto jitter = static_cast<Micros>(random.uniform() * 0.25 * static_cast<double>(bounded));
  return std::min(bounded + jitter, longest);
}

void to_healthy(Health& health) {
  health.state = KeyState::kHealthy;
  health.failure = FailureClass::kNone;
  health.backoff = 0;
  health.ramp = 0;
}

void to_half_open(Health& health) {
  health.state = KeyState::kHalfOpen;
  health.ramp = 0;
  health.probes_left = 1;
  health.probe_window_end = 0;
}

void next_ramp_step(Health& health) {
  if (++health.ramp >= kRampSteps) {
    to_healthy(health);
    return;
  }
  health.probes_left = static_cast<std::uint16_t>(1u << health.ramp);
  health.probe_window_end = 0;
}

// How long the key cools when nobody says. Late answers to requests of before it cooled belong to
// the same trouble: they wait as long again, not twice as long each.
Micros cooldown(const Health& health, Random& random) {
  const bool same = health.state == KeyState::kCooling && health.backoff != 0;
  const auto exponent = static_cast<std::uint8_t>(health.backoff - (same ? 1 : 0));
  return exponential(kFirstCooldown, kLongestCooldown, exponent, random);
}

void cool(Health& health, FailureClass why, Micros until) {
  health.cooldown_until = std::max(health.cooldown_until, until);
  if (health.state == KeyState::kUnhealthy) return;
  const bool same = health.state == KeyState::kCooling && health.backoff != 0;
  if (!same && health.backoff < UINT8_MAX) ++health.backoff;
  health.state = KeyState::kCooling;
  health.failure = why;
  health.ramp = 0;
}

void block_model(Health& health, std::uint64_t model, Micros until) {
  auto same = std::find_if(health.model_blocks.begin(), health.model_blocks.end(),
                           [&](const ModelBlock& block) { return block.model == model; });
  if (same == health.model_blocks.end()) {
    // All taken: the block that would end first gives way.
    same = std::min_element(
        health.model_blocks.begin(), health.model_blocks.end(),
        [](const ModelBlock& a, const ModelBlock& b) { return a.until < b.until; });
    *same = {model, until};
  }
  same->until = std::max(same->until, until);
}

std::uint32_t streak_of(const Health& health, const ProviderHealth& provider) {
  return health.outage_epoch == provider.outage_epoch ? health.streak : 0;
}

void clear_streak(Health& health, ProviderHealth& provider) {
  if (streak_of(health, provider) != 0 && provider.failing != 0) --provider.failing;
  health.streak = 0;
}

// Rests the whole provider, until then at least; without a time, longer each time it fails again
// after a rest. A quiet minute after a rest ends the trouble even if nobody reports successes.
void back_off(Provider& provider, Micros retry_at, Micros now, Random& random) {
  const Micros resting_until = provider.backoff_until.load(std::memory_order_relaxed);
  std::uint8_t& backoff = provider.health.backoff;
  const bool same = now < resting_until && backoff != 0;
  const auto exponent = static_cast<std::uint8_t>(backoff - (same ? 1 : 0));
  const Micros until = retry_at > now
                           ? std::min(retry_at, now + kLongestBackoff)
                           : now + exponential(kFirstCooldown, kLongestBackoff, exponent, random);
  if (!same && backoff < UINT8_MAX) ++backoff;
  provider.backoff_until.store(std::max(until, resting_until), std::memory_order_relaxed);
}

void forget_old_trouble(Provider& provider, Micros now) {
  if (now - provider.backoff_until.load(std::memory_order_relaxed) < kQuietTime) return;
  provider.health.outage = false;
  provider.health.backoff = 0;
}

// One more failure in a row, unless the key got well since: then the first.
void lengthen_streak(Health& health, ProviderHealth& provider) {
  if (streak_of(health, provider) == 0) {
    health.streak = 0;
    health.outage_epoch = provider.outage_epoch;
    ++provider.failing;
  } else if (health.state == KeyState::kHealthy && health.streak >= kTransientLimit) {
    health.streak = 0;
  }
  ++health.streak;
}

// Three in a row cool the key, and one does that has just come back; but when most keys of the
// provider have a streak, it is the provider that is out of order: it rests as a whole and the
// streaks are void.
bool note_transient(Slot& slot, Provider& provider, Micros now, Random& random) {
  Health& health = slot.health;
  const std::lock_guard guard(provider.lock);
  ProviderHealth& all = provider.health;
  forget_old_trouble(provider, now);
  lengthen_streak(health, all);

  const bool most_fail = all.keys >= 2 && all.failing * 2 > all.keys && health.streak >= 2;
  if (all.outage || most_fail) {
    all.outage = true;
    ++all.outage_epoch;
    all.failing = 0;
    back_off(provider, 0, now, random);
    return false;
  }
  // The streak stays: a key that cools goes on counting as one that fails.
  if (health.streak >= kTransientLimit || health.state == KeyState::kHalfOpen) {
    cool(health, FailureClass::kTransient, now + cooldown(health, random));
  }
  return true;
}

void note_overloaded(Provider& provider, Micros retry_at, Micros now, Random& random) {
  const std::lock_guard guard(provider.lock);
  forget_old_trouble(provider, now);
  back_off(provider, retry_at, now, random);
}

void note_rate_limit(Slot& slot, const Failure& failure, Micros now, Random& random) {
  Health& health = slot.health;
  // A deadline that is over says nothing.
  const Micros until = failure.retry_at > now ? failure.retry_at : now + cooldown(health, random);
  if (failure.is_of_model_alone()) {
    block_model(health, failure.model, until);
  } else {
    cool(health, FailureClass::kRateLimit, until);
  }
}

void remember(Health& health, const Failure& failure, Micros now) {
  health.last_error_at = now;
  health.http_status = failure.http_status;
  const std::string_view code = failure.code.empty() ? name(failure.kind) : failure.code;
  const std::size_t size = std::min(code.size(), health.code.size());
  std::copy_n(code.begin(), size, health.code.begin());
  std::fill(health.code.begin() + size, health.code.end(), '\0');
}

}  // namespace

void settle(Health& health, Micros now) noexcept {
  if (health.state == KeyState::kCooling && now >= health.cooldown_until) to_half_open(health);
  if (health.state == KeyState::kHalfOpen && health.probe_window_end != 0 &&
      now >= health.probe_window_end) {
    next_ramp_step(health);
  }
}

void take_probe(Health& health, Micros now) noexcept {
  --health.probes_left;
  if (health.probe_window_end == 0) health.probe_window_end = now + kProbeWindow;
}

bool note_failure(Slot& slot, Provider& provider, const Failure& failure, Micros now,
                  Random& random) noexcept {
  slot.dirty = true;
  settle(slot.health, now);
  bool blamed = true;
  switch (failure.kind) {
    case FailureClass::kNone:
    case FailureClass::kCallerFault:
      return false;
    case FailureClass::kCredential:
    case FailureClass::kQuota:
    case FailureClass::kRegionBlocked:
      slot.health.state = KeyState::kUnhealthy;
      slot.health.failure = failure.kind;
      break;
    case FailureClass::kRateLimit:
      note_rate_limit(slot, failure, now, random);
      break;
    case FailureClass::kOverloaded:
      note_overloaded(provider, failure.retry_at, now, random);
      blamed = false;
      break;
    case FailureClass::kTransient:
      blamed = note_transient(slot, provider, now, random);
      break;
    case FailureClass::kModelAccess:
      if (failure.model != 0) block_model(slot.health, failure.model, now + kModelBlockTime);
      break;
    case FailureClass::kUnknown:
      break;
  }
  remember(slot.health, failure, now);
  return blamed;
}

void note_success(Slot& slot, Provider& provider, Micros now) noexcept {
  slot.dirty = true;
  settle(slot.health, now);
  {
    const std::lock_guard guard(provider.lock);
    clear_streak(slot.health, provider.health);
    provider.health.outage = false;
    provider.health.backoff = 0;
  }
  if (slot.health.state == KeyState::kHalfOpen) {
    // With no probe under way it is a late answer, to a request of before the trouble.
    if (slot.health.probe_window_end != 0) next_ramp_step(slot.health);
  } else if (slot.health.state == KeyState::kHealthy) {
    slot.health.backoff = 0;
  }
}

void note_check_passed(Slot& slot, Provider& provider, Micros now) noexcept {
  slot.dirty = true;
  {
    const std::lock_guard guard(provider.lock);
    clear_streak(slot.health, provider.health);
    provider.health.outage = false;
  }
  Health& health = slot.health;
  if (health.state != KeyState::kUnhealthy) return;
  if (health.cooldown_until > now) {
    health.state = KeyState::kCooling;
    health.failure = FailureClass::kRateLimit;
    health.ramp = 0;
  } else if (health.failure == FailureClass::kQuota) {
    to_half_open(health);
  } else {
    to_healthy(health);
  }
}

bool model_blocked(const Health& health, std::uint64_t model, Micros now,
                   Micros& free_at) noexcept {
  for (const ModelBlock& block : health.model_blocks) {
    if (block.model != model || block.until <= now) continue;
    free_at = block.until;
    return true;
  }
  return false;
}

std::string last_error_text(const Health& health) {
  std::string text = health.http_status != 0 ? std::to_string(health.http_status) : "";
  const auto end = std::find(health.code.begin(), health.code.end(), '\0');
  const std::string_view code(health.code.data(),
                              static_cast<std::size_t>(end - health.code.begin()));
  if (!text.empty() && !code.empty()) text += ' ';
  return text.append(code);
}

}  // namespace keypool::core
