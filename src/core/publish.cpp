#include "core/publish.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/pool_memory.hpp"

namespace keypool::core {

namespace {

bool is_idle(const Slot& slot) {
  return slot.usage.in_flight == 0 && !slot.dirty && slot.health.state == KeyState::kHealthy;
}

bool same_group(const KeyRow& a, const KeyRow& b) {
  return a.kind == b.kind && a.provider == b.provider && a.owner == b.owner;
}

}  // namespace

bool Publisher::mirror(Database& database, std::span<const ProviderRow> providers,
                       std::span<KeyRow> keys, std::uint64_t epoch) noexcept {
  const std::uint32_t oid = database.oid.load();
  std::uint32_t staying = 0;  // mirrored slots of other databases, which nothing can evict
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (mirrored && group.database != oid) staying += group.count;
  }
  if (staying + keys.size() > pool_.capacity()) return false;

  for (KeyRow& row : keys) carry_over(oid, row.slot);
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    Group& group = pool_.group(i);
    if (group.used && group.database == oid && group.kind != OwnerKind::kUser) free_slots(group);
  }
  set_providers(oid, providers);

  for (std::size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    while (end < keys.size() && same_group(keys[begin], keys[end])) ++end;
    const std::uint32_t provider = pool_.find_provider(oid, keys[begin].provider);
    if (provider == kNone) continue;  // the foreign key forbids it
    const std::uint32_t entry = entry_for({oid, provider, keys[begin].kind, keys[begin].owner});
    if (entry == kNone) return false;
    fill(entry, keys.subspan(begin, end - begin));
  }
  // Owners whose last key went.
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (mirrored && group.database == oid && group.count == 0) free_group(i);
  }
  count_keys();
  database.loaded = epoch;
  return true;
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
  Provider& provider = pool_.provider(key.provider);
  provider.health.keys += static_cast<std::uint32_t>(keys.size());
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
    // All entries taken: keys of this provider are left out, and a pick of it says unknown.
    if (entry != nullptr) entry->config = row.config;
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
  std::size_t used = 0;
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) {
    const ProviderConfig& config = pool_.provider(i).config;
    if (config.database == 0) continue;
    for (const std::uint64_t hash : config.names) {
      // Never full, or a look-up of an unknown name would not end.
      if (hash == 0 || ++used == kProviderNames) break;
      std::size_t at = pool_.name_place(hash, config.database);
      while (pool_.names_[at].hash != 0) at = (at + 1) % kProviderNames;
      pool_.names_[at] = {hash, config.database, i};
    }
  }
}

// The entry of that group, found or made.
std::uint32_t Publisher::entry_for(const GroupKey& key) noexcept {
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
  group.wake_at = 0;  // the first pick ranks them
  group.sticky_until = 0;
  group.has_models = false;
  header.next_slot += count;
  header.live_slots += count;
  for (std::uint32_t i = 0; i < count; ++i) {
    Slot& slot = pool_.slot(group.first + i);
    slot = keys[i].slot;
    slot.group = index;
    link_id(group.first + i);
    group.has_models |= slot.config.models[0] != 0 || slot.config.region != 0 ||
                        slot.health.model_blocks[0].model != 0;
  }
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
  for (Slot& slot : pool_.slots_of(group)) slot.group = kNone;
  pool_.header_->live_slots -= group.count;
  if (group.kind == OwnerKind::kUser && group.count != 0) {
    std::uint32_t& keys = pool_.provider(group.provider).health.keys;
    keys -= std::min(keys, group.count);
  }
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
    if (losing || std::all_of(members.begin(), members.end(), is_idle)) *end++ = i;
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

// How many keys each provider has here: an outage is judged by the share of them that fails.
void Publisher::count_keys() noexcept {
  for (std::uint32_t i = 0; i < kMaxProviders; ++i) pool_.provider(i).health.keys = 0;
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    if (group.used) pool_.provider(group.provider).health.keys += group.count;
  }
}

}  // namespace keypool::core
