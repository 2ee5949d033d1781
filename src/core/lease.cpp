#include "core/lease.hpp"

#include <algorithm>
#include <new>

namespace keypool::core {

std::size_t LeaseTable::bytes_for(std::uint32_t size) {
  return sizeof(LeaseTable) + sizeof(Entry) * size;
}

LeaseTable* LeaseTable::create(void* zeroed, std::uint32_t size, Micros now) {
  auto* table = new (zeroed) LeaseTable;
  table->size_ = size;
  // Numbers count on from the microsecond of the start: no restart gives one out twice unless a
  // million leases a second were taken throughout the run before it.
  table->next_.store(std::max<Micros>(now, 1), std::memory_order_relaxed);
  return table;
}

LeaseTable::Entry& LeaseTable::entry(std::int64_t id) noexcept {
  auto* entries = reinterpret_cast<Entry*>(reinterpret_cast<std::byte*>(this) + sizeof(LeaseTable));
  return entries[static_cast<std::uint64_t>(id) % size_];
}

std::int64_t LeaseTable::put(Lease lease) noexcept {
  // Known beforehand, because looking in vain would use up as many numbers as there are entries.
  if (held_.fetch_add(1, std::memory_order_relaxed) >= size_) {
    held_.fetch_sub(1, std::memory_order_relaxed);
    return 0;
  }
  // An entry is free now; others may take it and free one that was passed, so look twice.
  for (std::uint32_t tries = 0; tries / 2 < size_; ++tries) {
    lease.id = next_.fetch_add(1, std::memory_order_relaxed);
    Entry& slot = entry(lease.id);
    std::uint32_t expected = kFree;
    if (!slot.state.compare_exchange_strong(expected, kBusy, std::memory_order_acquire)) continue;
    slot.lease = lease;
    slot.state.store(kHeld, std::memory_order_release);
    return lease.id;
  }
  held_.fetch_sub(1, std::memory_order_relaxed);
  return 0;
}

std::optional<Lease> LeaseTable::take(std::int64_t id, std::uint32_t database) noexcept {
  if (id <= 0) return std::nullopt;
  Entry& slot = entry(id);
  std::uint32_t expected = kHeld;
  // Busy is somebody's look of a few nanoseconds, who may put the lease back: wait for the answer.
  while (!slot.state.compare_exchange_weak(expected, kBusy, std::memory_order_acquire)) {
    if (expected == kFree) return std::nullopt;
    expected = kHeld;
  }
  if (slot.lease.id != id || slot.lease.database != database) {
    slot.state.store(kHeld, std::memory_order_release);
    return std::nullopt;
  }
  return release(slot);
}

std::optional<Lease> LeaseTable::peek(std::int64_t id, std::uint32_t database) noexcept {
  if (id <= 0) return std::nullopt;
  Entry& slot = entry(id);
  const State before = seize(slot);
  const Lease lease = slot.lease;
  slot.state.store(before, std::memory_order_release);
  if (lease.id != id || lease.database != database) return std::nullopt;
  return lease;
}

// Makes the entry busy whatever it is, and the caller's; returns what to put back.
LeaseTable::State LeaseTable::seize(Entry& slot) noexcept {
  for (;;) {
    for (const State state : {kHeld, kFree}) {
      std::uint32_t expected = state;
      if (slot.state.compare_exchange_weak(expected, kBusy, std::memory_order_acquire)) {
        return state;
      }
    }
  }
}

// The entry is busy, and the caller's.
Lease LeaseTable::release(Entry& slot) noexcept {
  const Lease lease = slot.lease;
  slot.state.store(kFree, std::memory_order_release);
  held_.fetch_sub(1, std::memory_order_relaxed);
  return lease;
}

std::optional<Lease> LeaseTable::take_expired(std::uint32_t& from, Micros now) noexcept {
  for (; from < size_; ++from) {
    Entry& slot = entry(from);
    if (slot.state.load(std::memory_order_relaxed) != kHeld) continue;
    std::uint32_t expected = kHeld;
    if (!slot.state.compare_exchange_strong(expected, kBusy, std::memory_order_acquire)) continue;
    if (slot.lease.expires_at > now) {
      slot.state.store(kHeld, std::memory_order_release);
      continue;
    }
    return release(slot);
  }
  return std::nullopt;
}

}  // namespace keypool::core
