// Which key gets which behaviour: the part of the stand-in that a test writes.
//
// Shared by all threads behind one mutex; holds at most kMostEntries keys and throws ControlError
// beyond that. A key nobody spoke of gets the entry of "*", and is accepted when there is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "behaviour.hpp"

namespace stand_in {

class Script {
 public:
  static constexpr std::size_t kMostEntries = 200'000;
  static constexpr std::string_view kAnyKey = "*";

  // An empty provider means every provider. With `times`, the behaviour lasts that many requests
  // and the key is well again after them.
  void set(std::string_view provider, std::string_view key, Behaviour behaviour,
           std::optional<std::uint64_t> times);

  void clear();

  // The behaviour for this request; uses up one of its times. The narrowest entry wins: this key
  // at this provider, this key, any key at this provider, any key.
  Behaviour take(std::string_view provider, std::string_view key);

 private:
  struct Entry {
    Behaviour behaviour;
    std::optional<std::uint64_t> left;
  };

  Entry* find(std::string_view provider, std::string_view key);

  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace stand_in
