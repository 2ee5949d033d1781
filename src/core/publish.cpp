#include "core/publish.hpp"

#include <algorithm>
#include <cstring>

#include "core/pool_memory.hpp"

namespace keypool::core {

namespace {

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
    arena_.free_slots(group);
    group.epoch = 0;
  }
  set_providers(oid, providers);
  for_each_group(oid, keys, [&](const GroupKey& key, std::span<KeyRow>) {
    const std::uint32_t found = pool_.find_group(key);
    if (found != kNone) pool_.group(found).epoch = epoch;
  });
  free_groups_without_epoch(oid);
  for_each_group(oid, keys, [&](const GroupKey& key, std::span<KeyRow> rows) {
    const std::uint32_t entry = arena_.entry_for(key);
    pool_.group(entry).epoch = epoch;
    fill(entry, rows);
  });
  database.loaded = epoch;
  return true;
}

std::size_t Publisher::room_for(std::uint32_t database) const noexcept {
  std::size_t own = 0;
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    const bool mirrored = group.used && group.kind != OwnerKind::kUser;
    if (mirrored && group.database == database) own += group.count;
  }
  return pool_.capacity() - pool_.mirrored_slots() + own;
}

// Whether there is room at all once every group of users has gone, which is the worst case.
bool Publisher::fits(std::uint32_t database, std::span<const ProviderRow> providers,
                     std::span<const KeyRow> keys) const noexcept {
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
  return owners_fit && keys.size() <= room_for(database) && entries <= kMaxProviders &&
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
    if (mirrored && group.database == database && group.epoch == 0) arena_.free_group(i);
  }
}

bool Publisher::user(const GroupKey& key, std::span<KeyRow> keys, std::uint64_t epoch) noexcept {
  for (KeyRow& row : keys) carry_over(key.database, row.slot);
  const std::uint32_t entry = arena_.entry_for(key);
  if (entry == kNone) return false;
  Group& group = pool_.group(entry);
  arena_.free_slots(group);
  if (!fill(entry, keys)) {
    arena_.free_group(entry);
    return false;
  }
  group.epoch = epoch;
  group.recent = true;
  group.last_used_at = now_;
  return true;
}

void Publisher::drop(std::uint32_t database) noexcept {
  for (std::uint32_t i = 0; i < pool_.group_limit(); ++i) {
    const Group& group = pool_.group(i);
    if (group.used && group.database == database) arena_.free_group(i);
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
    if (group.used && group.provider == index) arena_.free_group(i);
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

// Writes the keys of a group, whose old ones are gone, into slots. False: there is no room.
bool Publisher::fill(std::uint32_t index, std::span<KeyRow> keys) noexcept {
  const auto count = static_cast<std::uint32_t>(keys.size());
  if (!arena_.place(index, count)) return false;
  Group& group = pool_.group(index);
  group.wake_at = kUnranked;
  group.has_models = false;
  bool sticky_stays = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    Slot& slot = pool_.slot(group.first + i);
    slot = keys[i].slot;
    slot.group = index;
    arena_.link_id(group.first + i);
    group.has_models |= slot.config.models[0] != 0 || slot.config.region != 0 ||
                        slot.health.model_blocks[0].model != 0;
    if (slot.config.key_id != group.sticky_key) continue;
    group.sticky = i;
    sticky_stays = true;
  }
  if (!sticky_stays) group.sticky_since = 0;
  arena_.count_keys(group, true);
  return true;
}

// What happened to a key since it was first loaded outlives the load. A new secret starts healthy.
void Publisher::carry_over(std::uint32_t database, Slot& row) const noexcept {
  const std::uint32_t index = pool_.find_slot(database, row.config.key_id);
  if (index == kNone) return;
  const Slot& old = pool_.slot(index);
  const bool rotated = old.config.rotated_at != row.config.rotated_at;
  // Where nothing has happened the table knows better: a restore writes it after the keys.
  const bool untouched = old.usage.picks == 0 && old.usage.requests == 0 &&
                         old.usage.last_checked_at == 0 && !old.dirty;
  if (!untouched) {
    const KeyConfig config = row.config;
    row = old;
    row.config = config;
  }
  if (rotated) {
    row.health = Health{};
    row.told = ToldLimits{};
    row.dirty = true;
  }
}

}  // namespace keypool::core
