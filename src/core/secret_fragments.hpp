// Pieces of known secrets in other texts: errors quote what they choke on, and seldom all of it.
//
// Pure: any thread, no lock; throws nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/secret_call.hpp"

namespace keypool::core {

class SecretFragments {
 public:
  bool empty() const noexcept { return windows_.empty(); }

  // Of very long secrets the first 64 KiB count. Nothing is kept of those shorter than 8 bytes.
  void add(std::string_view secret);

  // Hides whatever the text shares with a secret that was added, from 8 bytes in a row on.
  void find(std::string_view text, std::vector<Hidden>& hidden);

 private:
  std::vector<std::uint64_t> windows_;  // sorted by find()
  bool sorted_ = true;
};

}  // namespace keypool::core
