#include "core/pending_usage.hpp"

#include <functional>
#include <iterator>

namespace keypool::core {

namespace {

void merge(UsageDelta& into, const UsageDelta& more) noexcept {
  into.requests += more.requests;
  into.errors += more.errors;
  into.tokens += more.tokens;
  into.cost_nano += more.cost_nano;
  // A transaction that runs past midnight: yesterday's spending is of no more interest.
  if (more.day > into.day) {
    into.day = more.day;
    into.cost_today_nano = 0;
  }
  if (more.day == into.day) into.cost_today_nano += more.cost_today_nano;
  into.fresh_successes += more.fresh_successes;
  into.fresh_failures += more.fresh_failures;
  into.fresh_tokens += more.fresh_tokens;
}

void merge_keys(PendingKey& into, const PendingKey& more) noexcept {
  merge(into.total, more.total);
  for (std::size_t kind = 0; kind < std::size(more.tracked); ++kind) {
    into.tracked[kind] += more.tracked[kind];
  }
  if (more.has_outcome) into.last = more.last;
  into.has_outcome |= more.has_outcome;
  into.told.merge(more.told);
}

void merge_charges(std::int64_t& into, std::int64_t more) noexcept { into += more; }

}  // namespace

std::size_t ChargeHash::operator()(const Charge& charge) const noexcept {
  const std::size_t text = std::hash<std::string>{}(charge.subject);
  return (text * 31 + static_cast<std::size_t>(charge.scope)) * 31 +
         static_cast<std::size_t>(charge.bucket / kMinute);
}

PendingKey& PendingUsage::add(int level, std::int64_t key_id, const UsageDelta& delta) {
  PendingKey& entry = keys_.at(level, key_id);
  merge(entry.total, delta);
  return entry;
}

void PendingUsage::charge(int level, const Charge& what, std::int64_t nano) {
  charges_.at(level, what) += nano;
}

void PendingUsage::release(int level) noexcept {
  keys_.release(level, merge_keys);
  charges_.release(level, merge_charges);
  for (auto lease = leases_.rbegin(); lease != leases_.rend() && lease->level >= level; ++lease) {
    lease->level = level - 1;
  }
}

void PendingUsage::roll_back(int level) noexcept {
  keys_.roll_back(level);
  charges_.roll_back(level);
  while (!leases_.empty() && leases_.back().level >= level) leases_.pop_back();
}

}  // namespace keypool::core
