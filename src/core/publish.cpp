#include "core/publish.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/pool_memory.hpp"

namespace keypool::core {

namespace {

// Whether nothing is lost when the key is dropped and read from the tables again. They know its
// totals and its health, but neither the steps back to health nor the counts of a running window.
bool is_idle(Slot& slot, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  const bool settled =
      slot.health.state == KeyState::kHealthy || slot.health.state == KeyState::kUnhealthy;
  return settled && !slot.dirty && slot.usage.in_flight == 0 &&
         (limits.requests_per_hour == 0 || slot.hour.count(now) == 0) &&
         (limits.requests_per_minute == 0 || slot.minute.count(now) == 0) &&
         (limits.tokens_per_minute == 0 || slot.tokens_minute.count(now) == 0);
}

bool same_group(const KeyRow& a, const KeyRow& b) {
  return a.kind == b.kind && a.provider == b.provider && a.owner == b.owner;
}

}  // namespace

bool Publisher::mirror(Database& database, std::span<const ProviderRow> providers,
                       std::span<KeyRow> keys, std::uint64_t epoch) noexcept {
  const std::uint32_t oid = database.oid.load();
  if (!fits(oid, providers, keys)) return false;

  for (KeyRow& row : keys) carry_over(oid, row.slot);
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (!mirrored || group.database != oid) continue;
    free_slots(group);
    group.epoch = 0;
  }
  set_providers(oid, providers);
  for_each_group(oid, keys, [&](const GroupKey& key, std::span<KeyRow>) {
    const std::uint32_t found = pool_.find_group(key);
    if (found != kNone) pool_.group(found).epoch = epoch;
  });
  free_groups_without_epoch(oid);
  for_each_group(oid, keys, [&](const GroupKey& key, std::span<KeyRow> rows) {
    const std::uint32_t entry = entry_for(key);
    pool_.group(entry).epoch = epoch;
    fill(entry, rows);
  });
  database.loaded = epoch;
  return true;
}

// Whether there is room at all once every group of users has gone, which is the worst case.
bool Publisher::fits(std::uint32_t database, std::span<const ProviderRow> providers,
                     std::span<const KeyRow> keys) const noexcept {
  std::size_t slots = keys.size();
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (mirrored && group.database != database) slots += group.count;
  }
  std::size_t entries = providers.size();
  std::size_t names = 0;
  const auto count_names = [&names](const ProviderConfig& config) {
    names += config.names.size() - std::count(config.names.begin(), config.names.end(), 0);
  };
  for (const ProviderRow& row : providers) count_names(row.config);
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
    const ProviderConfig& config = pool_.provider(i).config;
    if (config.database == 0 || config.database == database) continue;
    ++entries;
    count_names(config);
  }
  const bool owners_fit = std::all_of(
      keys.begin(), keys.end(), [](const KeyRow& row) { return row.owner.size() <= kMaxOwner; });
  // A full table of names would make the look-up of an unknown one endless.
  return owners_fit && slots <= pool_.capacity() && entries <= kMaxProviders &&
         names < kProviderNames;
}

// Calls each(group, its rows) for rows that lie side by side.
template <typename Each>
void Publisher::for_each_group(std::uint32_t database, std::span<KeyRow> keys, Each each) {
  for (std::size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    while (end < keys.size() && same_group(keys[begin], keys[end])) ++end;
    const std::uint32_t provider = pool_.find_provider(database, keys[begin].provider);
    if (provider == kNone) continue;  // the foreign key forbids it
    each(GroupKey{database, provider, keys[begin].kind, keys[begin].owner},
         keys.subspan(begin, end - begin));
  }
}

// Owners whose last key went. Epochs of a loaded mirror start at one.
void Publisher::free_groups_without_epoch(std::uint32_t database) noexcept {
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (mirrored && group.database == database && group.epoch == 0) free_group(i);
  }
}

bool Publisher::user(const GroupKey& key, std::span<KeyRow> keys, std::uint64_t epoch) noexcept {
  for (KeyRow& row : keys) carry_over(key.database, row.slot);
  const std::uint32_t entry = entry_for(key);
  if (entry == kNone) return false;
  Group& group = pool_.group(entry);
  free_slots(group);
  if (!make_room(static_cast<std::uint32_t>(keys.size()), 0, entry)) {
    free_group(entry);
    return false;
  }
  fill(entry, keys);
  group.epoch = epoch;
  group.last_used_at = now_;
  return true;
}

void Publisher::drop(std::uint32_t database) noexcept {
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    if (group.used && group.database == database) free_group(i);
  }
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
    if (pool_.provider(i).config.database == database) free_provider(i);
  }
  rebuild_names();
}

void Publisher::set_providers(std::uint32_t database, std::span<const ProviderRow> rows) noexcept {
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
    const ProviderConfig& config = pool_.provider(i).config;
    if (config.database != database) continue;
    const bool stays = std::any_of(rows.begin(), rows.end(), [&](const ProviderRow& row) {
      return row.config.name_view() == config.name_view();
    });
    if (!stays) free_provider(i);
  }
  for (const ProviderRow& row : rows) {
    Provider* entry = nullptr;
    for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
      Provider& provider = pool_.provider(i);
      const bool same = provider.config.database == database &&
                        provider.config.name_view() == row.config.name_view();
      if (same) entry = &provider;
      if (same) break;
      if (entry == nullptr && provider.config.database == 0) entry = &provider;
    }
    entry->config = row.config;
  }
  rebuild_names();
}

void Publisher::free_provider(std::uint32_t index) noexcept {
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    if (group.used && group.provider == index) free_group(i);
  }
  std::memset(static_cast<void*>(&pool_.provider(index)), 0, sizeof(Provider));
}

void Publisher::rebuild_names() noexcept {
  std::memset(pool_.names_, 0, sizeof(Pool::ProviderName) * kProviderNames);
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
    const ProviderConfig& config = pool_.provider(i).config;
    if (config.database == 0) continue;
    for (const std::uint64_t hash : config.names) {
      if (hash == 0) break;
      std::size_t at = pool_.name_place(hash, config.database);
      while (pool_.names_[at].hash != 0) at = (at + 1) % kProviderNames;
      pool_.names_[at] = {hash, config.database, i};
    }
  }
}

// The entry of that group, found or made; kNone when there is no room or the name is too long.
std::uint32_t Publisher::entry_for(const GroupKey& key) noexcept {
  if (key.owner.size() > kMaxOwner) return kNone;
  if (const std::uint32_t found = pool_.find_group(key); found != kNone) return found;
  Pool::Header& header = *pool_.header_;
  const std::uint32_t capacity = group_capacity(header.sizes.slots);
  if (header.free_group == kNone && header.group_limit == capacity && !make_room(0, 1, kNone)) {
    return kNone;
  }
  std::uint32_t index = header.free_group;
  if (index != kNone) {
    header.free_group = pool_.group(index).next_hash;
  } else {
    index = header.group_limit++;
  }
  Group& group = pool_.group(index);
  std::memset(static_cast<void*>(&group), 0, sizeof group);
  group.used = true;
  group.database = key.database;
  group.provider = key.provider;
  group.kind = key.kind;
  group.owner_size = static_cast<std::uint8_t>(key.owner.size());
  std::copy(key.owner.begin(), key.owner.end(), group.owner.begin());
  group.hash = Pool::group_hash(key);
  std::uint32_t& bucket = pool_.group_buckets_[group.hash % bucket_count(capacity)];
  group.next_hash = bucket;
  bucket = index;
  return index;
}

// Writes the keys of a group into a fresh run of slots; there is room.
void Publisher::fill(std::uint32_t index, std::span<KeyRow> keys) noexcept {
  Pool::Header& header = *pool_.header_;
  Group& group = pool_.group(index);
  const auto count = static_cast<std::uint32_t>(keys.size());
  if (header.next_slot + count > header.sizes.slots) {
    make_room(count, 0, index);
    compact();
  }
  group.first = header.next_slot;
  group.count = count;
  group.wake_at = kUnranked;
  group.has_models = false;
  bool sticky_stays = false;
  header.next_slot += count;
  header.live_slots += count;
  for (std::uint32_t i = 0; i < count; ++i) {
    Slot& slot = pool_.slot(group.first + i);
    slot = keys[i].slot;
    slot.group = index;
    link_id(group.first + i);
    group.has_models |= slot.config.models[0] != 0 || slot.config.region != 0 ||
                        slot.health.model_blocks[0].model != 0;
    if (slot.config.key_id != group.sticky_key) continue;
    group.sticky = i;
    sticky_stays = true;
  }
  if (!sticky_stays) group.sticky_since = 0;
  count_keys(group, true);
}

// What happened to a key since it was first loaded outlives the load. A new secret starts healthy.
void Publisher::carry_over(std::uint32_t database, Slot& row) const noexcept {
  const std::uint32_t index = pool_.find_slot(database, row.config.key_id);
  if (index == kNone) return;
  const Slot& old = pool_.slot(index);
  const bool rotated = old.config.rotated_at != row.config.rotated_at;
  const KeyConfig config = row.config;
  row = old;
  row.config = config;
  if (rotated) {
    row.health = Health{};
    row.dirty = true;
  }
}

void Publisher::free_slots(Group& group) noexcept {
  count_keys(group, false);
  for (Slot& slot : pool_.slots_of(group)) slot.group = kNone;
  pool_.header_->live_slots -= group.count;
  group.count = 0;
}

void Publisher::free_group(std::uint32_t index) noexcept {
  Pool::Header& header = *pool_.header_;
  Group& group = pool_.group(index);
  free_slots(group);
  const std::uint32_t buckets = bucket_count(group_capacity(header.sizes.slots));
  std::uint32_t* link = &pool_.group_buckets_[group.hash % buckets];
  while (*link != index) link = &pool_.group(*link).next_hash;
  *link = group.next_hash;
  group.used = false;
  group.next_hash = header.free_group;
  header.free_group = index;
}

// Drops users' groups, longest idle first, until `slots` and `groups` more fit. An eighth of the
// arena goes at once, so that the cost of looking is shared by many.
bool Publisher::make_room(std::uint32_t slots, std::uint32_t groups, std::uint32_t spare) noexcept {
  const Pool::Header& header = *pool_.header_;
  const auto fits = [&] {
    return header.live_slots + slots <= header.sizes.slots &&
           (groups == 0 || header.free_group != kNone);
  };
  if (fits()) return true;
  const std::uint32_t batch = header.sizes.slots / 8 + 1;
  evict(slots + batch, groups * batch, spare, false);
  // Only keys with news that are not written down yet are left: their counters are the price.
  if (!fits()) evict(slots, groups, spare, true);
  return fits();
}

std::uint32_t Publisher::evict(std::uint32_t slots, std::uint32_t groups, std::uint32_t spare,
                               bool losing) noexcept {
  Pool::Header& header = *pool_.header_;
  std::uint32_t* const begin = pool_.scratch_;
  std::uint32_t* end = begin;
  for (std::uint32_t i = 0; i < header.group_limit; ++i) {
    const Group& group = pool_.group(i);
    if (!group.used || group.kind != OwnerKind::kUser || i == spare) continue;
    const auto members = pool_.slots_of(group);
    const bool idle = std::all_of(members.begin(), members.end(),
                                  [this](Slot& slot) { return is_idle(slot, now_); });
    if (losing || idle) *end++ = i;
  }
  std::sort(begin, end, [this](std::uint32_t a, std::uint32_t b) {
    return pool_.group(a).last_used_at < pool_.group(b).last_used_at;
  });
  std::uint32_t dropped = 0;
  for (const std::uint32_t* victim = begin; victim != end; ++victim) {
    const bool enough = header.live_slots + slots <= header.sizes.slots && dropped >= groups;
    if (enough) break;
    free_group(*victim);
    ++dropped;
  }
  header.evictions += dropped;
  return dropped;
}

// Slides the runs together in the order they lie in.
void Publisher::compact() noexcept {
  Pool::Header& header = *pool_.header_;
  std::uint32_t* const begin = pool_.scratch_;
  std::uint32_t* end = begin;
  for (std::uint32_t i = 0; i < header.group_limit; ++i) {
    if (pool_.group(i).used && pool_.group(i).count != 0) *end++ = i;
  }
  std::sort(begin, end, [this](std::uint32_t a, std::uint32_t b) {
    return pool_.group(a).first < pool_.group(b).first;
  });
  std::uint32_t next = 0;
  for (const std::uint32_t* at = begin; at != end; ++at) {
    Group& group = pool_.group(*at);
    std::copy_n(pool_.slots_ + group.first, group.count, pool_.slots_ + next);
    std::copy_n(pool_.ranks_ + group.first, group.count, pool_.ranks_ + next);
    std::copy_n(pool_.nodes_ + group.first, group.count, pool_.nodes_ + next);
    group.first = next;
    next += group.count;
  }
  header.next_slot = next;
  index_ids();
}

void Publisher::index_ids() noexcept {
  const Pool::Header& header = *pool_.header_;
  std::fill_n(pool_.id_buckets_, bucket_count(header.sizes.slots), kNone);
  for (std::uint32_t i = 0; i < header.next_slot; ++i) link_id(i);
}

void Publisher::link_id(std::uint32_t index) noexcept {
  const std::uint32_t buckets = bucket_count(pool_.header_->sizes.slots);
  Slot& slot = pool_.slot(index);
  std::uint32_t& bucket = pool_.id_buckets_[id_hash(slot.config.key_id) % buckets];
  slot.next_id = bucket;
  bucket = index;
}

// An outage is judged by the share of a provider's keys that fails.
void Publisher::count_keys(const Group& group, bool coming) noexcept {
  ProviderHealth& health = pool_.provider(group.provider).health;
  const auto slots = pool_.slots_of(group);
  const auto failing = static_cast<std::uint32_t>(
      std::count_if(slots.begin(), slots.end(), [&health](const Slot& slot) {
        return slot.health.streak != 0 && slot.health.outage_epoch == health.outage_epoch;
      }));
  if (coming) {
    health.keys += group.count;
    health.failing += failing;
  } else {
    health.keys -= group.count;
    health.failing -= std::min(health.failing, failing);
  }
}

}  // namespace keypool::core
