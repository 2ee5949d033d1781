// The arena: where groups get their entries and keys their slots, and who goes when there is no
// room. The slots of a group lie side by side; runs given back serve the next group of that size,
// and when no run fits, a compaction slides all of them together.
//
// Users' groups are dropped as a clock's hand finds them: not used since it last came by, and with
// nothing to lose. Holds the pool's lock exclusively (the caller's); allocates nothing, throws
// nothing.
#pragma once

#include <cstdint>

#include "core/pool.hpp"

namespace keypool::core {

class Arena {
 public:
  Arena(Pool& pool, Micros now) : pool_(pool), now_(now) {}

  // The entry of that group, found or made; kNone when there is no room or the name is too long.
  std::uint32_t entry_for(const GroupKey& key) noexcept;
  // Gives the group, which has none, a run of that many slots, dropping users' groups if it must.
  // The slots' contents are the caller's to write, before anything else is asked of the arena.
  // False: there is no room.
  bool place(std::uint32_t group, std::uint32_t count) noexcept;
  // To be called for each slot that was written: makes it known by its key's id.
  void link_id(std::uint32_t slot) noexcept;
  // After all are written, and before they go: how many keys the provider has, and how many fail.
  void count_keys(const Group& group, bool coming) noexcept;

  // Takes the group's slots away, which may be none.
  void free_slots(Group& group) noexcept;
  // Takes slots and entry away.
  void free_group(std::uint32_t index) noexcept;

 private:
  bool has_slots_for(std::uint32_t count) const noexcept;
  std::uint32_t next_victim(std::uint32_t spare, bool for_slots) noexcept;
  int loss(const Group& group) noexcept;
  bool drop_one(std::uint32_t spare, bool for_slots) noexcept;
  bool take_free_run(Group& group, std::uint32_t count) noexcept;
  void unlink_id(std::uint32_t slot) noexcept;
  void compact() noexcept;
  void index_ids() noexcept;

  Pool& pool_;
  Micros now_;
};

}  // namespace keypool::core
