#include "core/pool.hpp"

#include <algorithm>
#include <cstring>

#include "core/pool_memory.hpp"

namespace keypool::core {

namespace {

constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t x = a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2));
  x *= 0xd6e8feb86659fd93;
  return x ^ (x >> 32);
}

constexpr std::size_t kAlignment = 64;

// Hands out the parts of the block one after the other, each on a cache line of its own.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <typename T>
  T* take(std::size_t count) {
    return static_cast<T*>(take_bytes(sizeof(T) * count));
  }
  void* take_bytes(std::size_t bytes) {
    std::byte* part = base_ + used_;
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return part;
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

}  // namespace

Pool::Pool(void* memory, PoolSizes sizes) {
  Carver carver(static_cast<std::byte*>(memory));
  header_ = carver.take<Header>(1);
  providers_ = carver.take<Provider>(kMaxProviders);
  names_ = carver.take<ProviderName>(kProviderNames);
  const std::uint32_t groups = group_capacity(sizes.slots);
  groups_ = carver.take<Group>(groups);
  group_buckets_ = carver.take<std::uint32_t>(bucket_count(groups));
  id_buckets_ = carver.take<std::uint32_t>(bucket_count(sizes.slots));
  scratch_ = carver.take<std::uint32_t>(groups);
  nodes_ = carver.take<std::uint32_t>(sizes.slots);
  ranks_ = carver.take<Rank>(sizes.slots);
  slots_ = carver.take<Slot>(sizes.slots);
  leases_ = static_cast<LeaseTable*>(carver.take_bytes(LeaseTable::bytes_for(sizes.leases)));
}

std::size_t Pool::bytes_for(PoolSizes sizes) {
  Carver carver(nullptr);
  const std::uint32_t groups = group_capacity(sizes.slots);
  carver.take<Header>(1);
  carver.take<Provider>(kMaxProviders);
  carver.take<ProviderName>(kProviderNames);
  carver.take<Group>(groups);
  carver.take<std::uint32_t>(bucket_count(groups));
  carver.take<std::uint32_t>(bucket_count(sizes.slots));
  carver.take<std::uint32_t>(groups);
  carver.take<std::uint32_t>(sizes.slots);
  carver.take<Rank>(sizes.slots);
  carver.take<Slot>(sizes.slots);
  carver.take_bytes(LeaseTable::bytes_for(sizes.leases));
  return carver.used();
}

Pool Pool::create(void* zeroed, PoolSizes sizes, Micros now) {
  Pool pool(zeroed, sizes);
  pool.header_->sizes = sizes;
  pool.header_->free_group = kNone;
  std::fill(std::begin(pool.header_->free_runs), std::end(pool.header_->free_runs), kNone);
  // A new entry has nothing loaded yet: epochs start one ahead of `loaded`.
  for (Database& entry : pool.header_->databases) {
    entry.epochs.mirrored.store(1);
    entry.epochs.budgets.store(1);
  }
  std::fill_n(pool.group_buckets_, bucket_count(group_capacity(sizes.slots)), kNone);
  std::fill_n(pool.id_buckets_, bucket_count(sizes.slots), kNone);
  LeaseTable::create(pool.leases_, sizes.leases, now);
  return pool;
}

Pool Pool::attach(void* memory) { return Pool(memory, static_cast<Header*>(memory)->sizes); }

Database* Pool::database(std::uint32_t oid) noexcept {
  for (Database& entry : header_->databases) {
    if (entry.oid.load(std::memory_order_acquire) == oid) return &entry;
  }
  for (Database& entry : header_->databases) {
    std::uint32_t expected = 0;
    if (entry.oid.compare_exchange_strong(expected, oid)) {
      entry.tracking.forget();  // another database's
      entry.destruction.forget();
      entry.epochs.budgets.fetch_add(1);
      return &entry;
    }
    if (expected == oid) return &entry;
  }
  return nullptr;
}

std::uint32_t Pool::find_provider(std::uint32_t database, std::string_view name) const noexcept {
  const std::uint64_t hash = provider_name_hash(name);
  if (hash == 0) return kNone;
  for (std::size_t i = name_place(hash, database); names_[i].hash != 0;
       i = (i + 1) % kProviderNames) {
    if (names_[i].hash == hash && names_[i].database == database) return names_[i].provider;
  }
  return kNone;
}

// A provider's name is compared without case; names are short, so a copy on the stack is cheapest.
std::uint64_t Pool::provider_name_hash(std::string_view name) noexcept {
  char folded[kMaxProviderName];
  if (name.size() > sizeof folded) return 0;
  std::transform(name.begin(), name.end(), folded,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text_hash({folded, name.size()});
}

std::size_t Pool::name_place(std::uint64_t hash, std::uint32_t database) noexcept {
  return mix(hash, database) % kProviderNames;
}

std::uint64_t Pool::group_hash(const GroupKey& key) noexcept {
  const std::uint64_t place = (static_cast<std::uint64_t>(key.provider) << 32) | key.database;
  return mix(mix(place, static_cast<std::uint64_t>(key.kind)), text_hash(key.owner));
}

std::uint32_t Pool::find_group(const GroupKey& key) const noexcept {
  const std::uint64_t hash = group_hash(key);
  const std::uint32_t buckets = bucket_count(group_capacity(header_->sizes.slots));
  for (std::uint32_t i = group_buckets_[hash % buckets]; i != kNone; i = groups_[i].next_hash) {
    const Group& group = groups_[i];
    // The owner is compared in full: a collision must never hand out another owner's key.
    if (group.hash == hash && group.database == key.database && group.provider == key.provider &&
        group.kind == key.kind && group.owner_view() == key.owner) {
      return i;
    }
  }
  return kNone;
}

std::uint32_t Pool::find_slot(std::uint32_t database, std::int64_t key_id) const noexcept {
  const std::uint32_t buckets = bucket_count(header_->sizes.slots);
  for (std::uint32_t i = id_buckets_[id_hash(key_id) % buckets]; i != kNone;
       i = slots_[i].next_id) {
    const Slot& slot = slots_[i];
    if (slot.config.key_id == key_id && slot.group != kNone &&
        groups_[slot.group].database == database) {
      return i;
    }
  }
  return kNone;
}

std::uint32_t Pool::group_limit() const noexcept { return header_->group_limit; }
std::uint32_t Pool::capacity() const noexcept { return header_->sizes.slots; }
std::uint32_t Pool::live_slots() const noexcept { return header_->live_slots; }
std::uint32_t Pool::mirrored_slots() const noexcept { return header_->mirrored_slots; }
std::uint64_t Pool::evictions() const noexcept { return header_->evictions; }

}  // namespace keypool::core
