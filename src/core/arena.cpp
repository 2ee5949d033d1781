#include "core/arena.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/pool_memory.hpp"

namespace keypool::core {

namespace {

// How far the hand looks for somebody who loses nothing before it takes who loses least, and of
// several who was used longest ago.
constexpr std::uint32_t kFarthestLook = 32;

// Groups that came together lie together. A prime stride takes the hand through all of them in an
// order that mixes old and new ones, or it would look at the latest comers alone.
constexpr std::uint32_t kStride = 7919;

constexpr int kUsedLately = 1;
constexpr int kLosesNews = 2;    // counters that the worker has not written down yet
constexpr int kLosesLimits = 3;  // what no table remembers

// Whether the tables know, once the worker has written them, all that matters of the key. They know
// its totals and its health, but neither the steps back to health nor the counts of a running
// window.
bool is_in_tables(Slot& slot, Micros now) {
  const KeyLimits& limits = slot.config.limits;
  const bool settled =
      slot.health.state == KeyState::kHealthy || slot.health.state == KeyState::kUnhealthy;
  return settled && slot.usage.in_flight == 0 &&
         (limits.requests_per_hour == 0 || slot.hour.count(now) == 0) &&
         (limits.requests_per_minute == 0 || slot.minute.count(now) == 0) &&
         (limits.tokens_per_minute == 0 || slot.tokens_minute.count(now) == 0);
}

}  // namespace

std::uint32_t Arena::entry_for(const GroupKey& key) noexcept {
  if (key.owner.size() > kMaxOwner) return kNone;
  if (const std::uint32_t found = pool_.find_group(key); found != kNone) return found;
  Pool::Header& header = *pool_.header_;
  const std::uint32_t capacity = group_capacity(header.sizes.slots);
  if (header.free_group == kNone && header.group_limit == capacity && !drop_one(kNone, false)) {
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

bool Arena::has_slots_for(std::uint32_t count) const noexcept {
  return pool_.header_->live_slots + count <= pool_.header_->sizes.slots;
}

bool Arena::place(std::uint32_t index, std::uint32_t count) noexcept {
  while (!has_slots_for(count)) {
    if (!drop_one(index, true)) return false;
  }
  Pool::Header& header = *pool_.header_;
  Group& group = pool_.group(index);
  if (!take_free_run(group, count)) {
    if (header.next_slot + count > header.sizes.slots) compact();
    group.first = header.next_slot;
    header.next_slot += count;
  }
  group.count = count;
  header.live_slots += count;
  if (group.kind != OwnerKind::kUser) header.mirrored_slots += count;
  return true;
}

bool Arena::take_free_run(Group& group, std::uint32_t count) noexcept {
  if (count == 0 || count > kLongestFreeRun) return false;
  std::uint32_t& head = pool_.header_->free_runs[count - 1];
  if (head == kNone) return false;
  group.first = head;
  head = pool_.slot(head).next_id;
  return true;
}

void Arena::free_slots(Group& group) noexcept {
  if (group.count == 0) return;
  count_keys(group, false);
  for (std::uint32_t i = 0; i < group.count; ++i) {
    unlink_id(group.first + i);
    pool_.slot(group.first + i).group = kNone;
  }
  Pool::Header& header = *pool_.header_;
  if (group.count <= kLongestFreeRun) {
    std::uint32_t& head = header.free_runs[group.count - 1];
    pool_.slot(group.first).next_id = head;
    head = group.first;
  }
  header.live_slots -= group.count;
  if (group.kind != OwnerKind::kUser) header.mirrored_slots -= group.count;
  group.count = 0;
}

void Arena::free_group(std::uint32_t index) noexcept {
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

// For slots, or else for an entry.
bool Arena::drop_one(std::uint32_t spare, bool for_slots) noexcept {
  const std::uint32_t victim = next_victim(spare, for_slots);
  if (victim == kNone) return false;
  free_group(victim);
  ++pool_.header_->evictions;
  return true;
}

// What dropping the group would cost; 0 is nothing.
int Arena::loss(const Group& group) noexcept {
  int worst = group.recent ? kUsedLately : 0;
  for (Slot& slot : pool_.slots_of(group)) {
    if (!is_in_tables(slot, now_)) return kLosesLimits;
    if (slot.dirty) worst = std::max(worst, kLosesNews);
  }
  return worst;
}

std::uint32_t Arena::next_victim(std::uint32_t spare, bool for_slots) noexcept {
  Pool::Header& header = *pool_.header_;
  const std::uint32_t stride = header.group_limit % kStride == 0 ? 1 : kStride;
  std::uint32_t best = kNone;
  int least = std::numeric_limits<int>::max();
  for (std::uint32_t steps = 0; steps < header.group_limit; ++steps) {
    // A limit, a cooldown or a reservation is given up only when there is nothing else at all.
    if (least < kLosesLimits && steps >= kFarthestLook) break;
    header.hand = (header.hand + stride) % header.group_limit;
    Group& group = pool_.group(header.hand);
    if (!group.used || group.kind != OwnerKind::kUser || header.hand == spare) continue;
    if (for_slots && group.count == 0) continue;
    // Who asks for many users without keys must not drive out those that have some.
    const int cost = loss(group) + (!for_slots && group.count != 0 ? kUsedLately : 0);
    // Its second chance; who has something to lose keeps it until that is written down.
    if (cost == kUsedLately) group.recent = false;
    const bool better =
        cost < least || (cost == least && group.last_used_at < pool_.group(best).last_used_at);
    if (!better) continue;
    best = header.hand;
    least = cost;
    if (cost == 0) break;
  }
  return best;
}

void Arena::compact() noexcept {
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
  std::fill(std::begin(header.free_runs), std::end(header.free_runs), kNone);
  index_ids();
}

void Arena::index_ids() noexcept {
  const Pool::Header& header = *pool_.header_;
  std::fill_n(pool_.id_buckets_, bucket_count(header.sizes.slots), kNone);
  for (std::uint32_t i = 0; i < header.next_slot; ++i) link_id(i);
}

void Arena::link_id(std::uint32_t index) noexcept {
  const std::uint32_t buckets = bucket_count(pool_.header_->sizes.slots);
  Slot& slot = pool_.slot(index);
  std::uint32_t& bucket = pool_.id_buckets_[id_hash(slot.config.key_id) % buckets];
  slot.next_id = bucket;
  bucket = index;
}

void Arena::unlink_id(std::uint32_t index) noexcept {
  const std::uint32_t buckets = bucket_count(pool_.header_->sizes.slots);
  const Slot& slot = pool_.slot(index);
  std::uint32_t* link = &pool_.id_buckets_[id_hash(slot.config.key_id) % buckets];
  while (*link != index) link = &pool_.slot(*link).next_id;
  *link = slot.next_id;
}

// An outage is judged by the share of a provider's keys that fails.
void Arena::count_keys(const Group& group, bool coming) noexcept {
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
