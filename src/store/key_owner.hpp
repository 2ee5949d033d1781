// Whose key that is, for the rows of the request log.
//
// From the pool, into which the key is brought; a key that cannot be there, because it is revoked,
// new in this very transaction, or the pool is full, is looked up in its row. Throws PgError; needs
// a transaction.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/pool.hpp"

namespace keypool::store {

// Copied out, so that no lock is held while it is used.
class KeyOwner {
 public:
  // `owner` has kMaxOwner bytes at most, and is empty for the system.
  KeyOwner(std::string_view source, std::string_view owner);

  std::string_view source() const noexcept { return source_; }  // user, organization or system
  // The owner if it is of that kind.
  std::optional<std::string_view> user() const noexcept { return if_of(core::OwnerKind::kUser); }
  std::optional<std::string_view> organization() const noexcept {
    return if_of(core::OwnerKind::kOrganization);
  }

 private:
  std::optional<std::string_view> if_of(core::OwnerKind kind) const noexcept;

  std::string_view source_;
  std::uint8_t size_;
  std::array<char, core::kMaxOwner> text_;
};

// Nothing when no row of keypool.api_keys has this id.
std::optional<KeyOwner> key_owner(core::Database& database, std::int64_t key_id);

}  // namespace keypool::store
