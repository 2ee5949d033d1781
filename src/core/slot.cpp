#include "core/slot.hpp"

namespace keypool::core {

namespace {

constexpr std::uint64_t kHashMask = (std::uint64_t{1} << 56) - 1;

ModelRule rule_of(std::size_t prefix_length, std::string_view text) noexcept {
  return (static_cast<std::uint64_t>(prefix_length) << 56) | (text_hash(text) & kHashMask) | 1;
}

}  // namespace

std::string_view name(OwnerKind kind) {
  switch (kind) {
    case OwnerKind::kUser:
      return "user";
    case OwnerKind::kOrganization:
      return "organization";
    case OwnerKind::kSystem:
      return "system";
  }
  return "system";
}

std::string_view name(KeyState state) {
  switch (state) {
    case KeyState::kHealthy:
      return "healthy";
    case KeyState::kCooling:
      return "cooling";
    case KeyState::kUnhealthy:
      return "unhealthy";
    case KeyState::kHalfOpen:
      return "half_open";
  }
  return "healthy";
}

// Multiply and mix. Kept in keypool.key_state (model blocks), where a hash of another release only
// means that a block is forgotten. Not keyed: nobody gains from a collision, because what a hash
// finds is either compared in full afterwards or only narrows which of one owner's keys serve a
// model.
std::uint64_t text_hash(std::string_view text) noexcept {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  std::uint64_t hash = 0xcbf29ce484222325 ^ (text.size() * kMultiplier);
  while (!text.empty()) {
    // Eight bytes at a time, the last ones filled up with zeros: this is on the path of a pick.
    std::uint64_t word = 0;
    const std::size_t taken = text.size() < 8 ? text.size() : 8;
    for (std::size_t i = 0; i < taken; ++i) {
      word |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    }
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
    text.remove_prefix(taken);
  }
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93;
  hash ^= hash >> 32;
  return hash == 0 ? 1 : hash;
}

ModelRule model_rule(std::string_view pattern) noexcept {
  if (pattern.empty() || pattern.back() != '*') return rule_of(0, pattern);
  pattern.remove_suffix(1);
  // Longer prefixes than a length byte can say are cut: they stay prefixes, of a little more.
  const std::size_t length = pattern.size() < 255 ? pattern.size() : 254;
  return rule_of(length + 1, pattern.substr(0, length));
}

bool model_matches(ModelRule rule, std::string_view model) noexcept {
  const std::size_t mark = rule >> 56;
  if (mark == 0) return rule == rule_of(0, model);
  const std::size_t length = mark - 1;
  return model.size() >= length && rule == rule_of(mark, model.substr(0, length));
}

void RecentOutcomes::add(Micros now, bool failed, std::uint32_t times) noexcept {
  if (times == 0) return;
  const auto period = static_cast<std::uint32_t>(now / kPeriod);
  if (period != period_) {
    const unsigned fresh = period % 2;
    requests_[fresh] = errors_[fresh] = 0;
    if (period != period_ + 1) requests_[1 - fresh] = errors_[1 - fresh] = 0;
    period_ = period;
  }
  const unsigned current = period % 2;
  std::uint64_t requests = std::uint64_t{requests_[current]} + times;
  std::uint64_t errors = errors_[current] + (failed ? std::uint64_t{times} : 0);
  // Halving both keeps the rate where it is and the counts within 16 bits.
  for (; requests > UINT16_MAX; requests /= 2) errors /= 2;
  requests_[current] = static_cast<std::uint16_t>(requests);
  errors_[current] = static_cast<std::uint16_t>(errors);
}

std::uint32_t RecentOutcomes::sum(const std::uint16_t (&counts)[2], Micros now) const noexcept {
  const auto period = static_cast<std::uint32_t>(now / kPeriod);
  if (period == period_) return std::uint32_t{counts[0]} + counts[1];
  return period == period_ + 1 ? counts[period_ % 2] : 0;
}

}  // namespace keypool::core
