// A pool in ordinary memory, and rows to publish in it, for tests and benchmarks.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/health.hpp"
#include "core/publish.hpp"
#include "core/selection.hpp"

namespace keypool::core {

inline constexpr std::uint32_t kTestDatabase = 5;
inline constexpr Micros kStart = 9'000 * kDay + 3 * kHour;  // in 2024, in no way special

inline ProviderRow provider_row(std::string_view name, Strategy strategy = Strategy::kRoundRobin,
                                std::uint32_t database = kTestDatabase) {
  ProviderRow row = {};
  row.config.database = database;
  row.config.enabled = true;
  row.config.has_strategy = true;
  row.config.strategy = strategy;
  row.config.fallback_order = kNoFallback;
  row.config.name_size = static_cast<std::uint8_t>(name.size());
  std::copy(name.begin(), name.end(), row.config.name.begin());
  row.config.names[0] = Pool::provider_name_hash(name);
  return row;
}

// The texts must outlive the row.
inline KeyRow key_row(std::int64_t id, std::string_view provider = "openai",
                      OwnerKind kind = OwnerKind::kSystem, std::string_view owner = "") {
  KeyRow row = {};
  row.provider = provider;
  row.kind = kind;
  row.owner = owner;
  row.slot.config.key_id = id;
  row.slot.config.enabled = true;
  row.slot.config.expires_at = kNever;
  row.slot.config.weight = 1;
  return row;
}

inline KeyRow user_key(std::int64_t id, std::string_view user) {
  return key_row(id, "openai", OwnerKind::kUser, user);
}

class TestPool {
 public:
  explicit TestPool(PoolSizes sizes = {64, 64}, Micros now = kStart)
      : memory_(zeroed(Pool::bytes_for(sizes))), pool(Pool::create(memory_.get(), sizes, now)) {}

  // As another process sees it.
  Pool attached() const { return Pool::attach(memory_.get()); }

  Database& database(std::uint32_t oid = kTestDatabase) { return *pool.database(oid); }

  bool mirror(std::vector<ProviderRow> providers, std::vector<KeyRow> keys, Micros now = kStart,
              std::uint32_t oid = kTestDatabase) {
    Database& entry = database(oid);
    return Publisher(pool, now).mirror(entry, providers, keys, ++epoch_);
  }
  bool user(std::string_view name, std::vector<KeyRow> keys, Micros now = kStart,
            std::uint32_t oid = kTestDatabase) {
    const std::uint32_t provider = pool.find_provider(oid, "openai");
    return Publisher(pool, now).user({oid, provider, OwnerKind::kUser, name}, keys, ++epoch_);
  }

  std::uint32_t find(OwnerKind kind, std::string_view owner, std::string_view provider = "openai",
                     std::uint32_t oid = kTestDatabase) const {
    const std::uint32_t index = pool.find_provider(oid, provider);
    return index == kNone ? kNone : pool.find_group({oid, index, kind, owner});
  }
  Group& system_group() { return pool.group(find(OwnerKind::kSystem, "")); }
  Provider& provider(std::string_view name = "openai") {
    return pool.provider(pool.find_provider(kTestDatabase, name));
  }
  bool has(std::int64_t key_id, std::uint32_t oid = kTestDatabase) const {
    return pool.find_slot(oid, key_id) != kNone;
  }
  Slot& slot(std::int64_t key_id, std::uint32_t oid = kTestDatabase) {
    return pool.slot(pool.find_slot(oid, key_id));
  }

  // The id of the key taken, 0 when there is none.
  std::int64_t take(Group& group, const Wish& wish, Micros now) {
    const std::uint32_t taken =
        take_key(pool, group, pool.provider(group.provider), wish, moment(now));
    return taken == kNone ? 0 : pool.slot(taken).config.key_id;
  }
  std::int64_t take(const Wish& wish = {}, Micros now = kStart) {
    return take(system_group(), wish, now);
  }

  // A report, as the store makes it: change(slot, provider), then the key's new place.
  template <typename Change>
  void report(std::int64_t key_id, Micros now, Change change) {
    const std::uint32_t index = pool.find_slot(kTestDatabase, key_id);
    Slot& changed = pool.slot(index);
    Group& group = pool.group(changed.group);
    change(changed, pool.provider(group.provider));
    rerank(pool, group, pool.provider(group.provider), index, moment(now));
  }
  bool fail(std::int64_t key_id, const Failure& failure, Micros now) {
    bool blamed = false;
    report(key_id, now, [&](Slot& slot, Provider& provider) {
      blamed = note_failure(slot, provider, failure, now, random);
    });
    return blamed;
  }
  void succeed(std::int64_t key_id, Micros now) {
    report(key_id, now,
           [now](Slot& slot, Provider& provider) { note_success(slot, provider, now); });
  }
  void give_back(std::int64_t key_id, const Lease& lease, bool unused, Micros now) {
    report(key_id, now, [&](Slot& slot, Provider&) { return_lease(slot, lease, unused); });
  }

  Moment moment(Micros now) { return {now, Strategy::kRoundRobin, random}; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  static std::unique_ptr<void, Free> zeroed(std::size_t bytes) {
    const std::size_t whole = (bytes + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, whole);
    if (memory == nullptr) throw std::bad_alloc();
    return std::unique_ptr<void, Free>(std::memset(memory, 0, whole));
  }
  std::unique_ptr<void, Free> memory_;
  std::uint64_t epoch_ = 0;

 public:
  Pool pool;
  Random random{42};
};

}  // namespace keypool::core
