#include "script.hpp"

#include <utility>

namespace stand_in {

namespace {

// The key of a request came in a header and holds no line break, so the pair is unique.
std::string name_of(std::string_view provider, std::string_view key) {
  std::string name;
  name.reserve(provider.size() + key.size() + 1);
  name.append(provider).append(1, '\n').append(key);
  return name;
}

}  // namespace

void Script::set(std::string_view provider, std::string_view key, Behaviour behaviour,
                 std::optional<std::uint64_t> times) {
  const std::lock_guard lock(mutex_);
  std::string name = name_of(provider, key);
  if (entries_.size() >= kMostEntries && !entries_.contains(name)) {
    throw ControlError("too many keys in the script");
  }
  entries_.insert_or_assign(std::move(name), Entry{std::move(behaviour), times});
}

void Script::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

Script::Entry* Script::find(std::string_view provider, std::string_view key) {
  const auto found = entries_.find(name_of(provider, key));
  return found == entries_.end() ? nullptr : &found->second;
}

Behaviour Script::take(std::string_view provider, std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return {};
  Entry* entry = find(provider, key);
  if (entry == nullptr) entry = find({}, key);
  if (entry == nullptr) entry = find(provider, kAnyKey);
  if (entry == nullptr) entry = find({}, kAnyKey);
  if (entry == nullptr) return {};
  // An entry used up stays as "ok": the key is known, even when unknown ones are refused.
  if (entry->left && *entry->left == 0) return {};
  if (entry->left) --*entry->left;
  return entry->behaviour;
}

}  // namespace stand_in
