// Sums by key of a transaction that may have subtransactions: a rolled-back savepoint takes its
// part along.
//
// Every entry belongs to a nesting level (1: the transaction itself); a key shows once for each
// level that has used it. Plain C++, one thread. at() may throw std::bad_alloc and has done nothing
// then; everything else is noexcept, so that commit and abort cannot fail. Key must hash, compare
// and move without throwing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace keypool::core {

template <typename Key, typename Value, typename Hash = std::hash<Key>>
class Leveled {
 public:
  struct Entry {
    int level;
    Key key;
    Value value;
  };

  // The key's value at that level, which is the innermost one now.
  Value& at(int level, const Key& key) {
    if (Entry* present = newest(level, key)) return present->value;
    std::vector<std::uint32_t>& places = places_[key];
    places.reserve(places.size() + 1);
    entries_.push_back({level, key, Value{}});
    places.push_back(static_cast<std::uint32_t>(entries_.size() - 1));
    return entries_.back().value;
  }

  // The subtransaction of that level is part of the one above now: merge(into, more) adds up.
  template <typename Merge>
  void release(int level, Merge merge) noexcept {
    // What the subtransaction has is at the end. Entries whose key the level above has used too are
    // merged into those; the rest stay and move up.
    std::size_t first = entries_.size();
    while (first > 0 && entries_[first - 1].level >= level) --first;
    for (std::size_t i = first; i < entries_.size(); ++i) forget_newest(entries_[i].key);
    std::size_t kept = first;
    for (std::size_t i = first; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      if (Entry* above = newest(level - 1, entry.key)) {
        merge(above->value, entry.value);
        continue;
      }
      entry.level = level - 1;
      // It had room for this place before.
      places_.find(entry.key)->second.push_back(static_cast<std::uint32_t>(kept));
      if (kept != i) entries_[kept] = std::move(entry);
      ++kept;
    }
    drop_from(kept);
  }

  void roll_back(int level) noexcept {
    std::size_t kept = entries_.size();
    while (kept > 0 && entries_[kept - 1].level >= level) forget_newest(entries_[--kept].key);
    drop_from(kept);
  }

  bool empty() const noexcept { return entries_.empty(); }
  // In the order of first use; levels never fall from front to back.
  const std::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  // The entry of that key at that very level; it is then the newest of the key.
  Entry* newest(int level, const Key& key) noexcept {
    const auto found = places_.find(key);
    if (found == places_.end() || found->second.empty()) return nullptr;
    Entry& entry = entries_[found->second.back()];
    return entry.level == level ? &entry : nullptr;
  }
  void forget_newest(const Key& key) noexcept { places_.find(key)->second.pop_back(); }
  void drop_from(std::size_t place) noexcept {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(place), entries_.end());
  }

  std::vector<Entry> entries_;
  std::unordered_map<Key, std::vector<std::uint32_t>, Hash> places_;  // of each key in entries_
};

}  // namespace keypool::core
