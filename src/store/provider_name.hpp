// The name of a provider as the tables have it, whichever alias or case it was called by.
//
// From the pool, which is brought up to date first; no table is read while it is. Whoever calls
// has caught up (store/coherence.hpp). Needs a transaction.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/pool.hpp"

namespace keypool::store {

// Copied out, so that no lock is held while it is used.
class ProviderName {
 public:
  ProviderName() = default;
  explicit ProviderName(const core::ProviderConfig& config)
      : text_(config.name), size_(config.name_size) {}
  std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, core::kMaxProviderName> text_ = {};
  std::uint8_t size_ = 0;
};

// Disabled ones have names, too. Throws kUnknownProvider, with near names.
ProviderName provider_name(core::Database& database, std::string_view asked);

}  // namespace keypool::store
