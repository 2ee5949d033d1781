// Whose keys a pick asks for, and in which order.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/slot.hpp"
#include "store/pick_request.hpp"

namespace keypool::store {

inline constexpr std::array kOwnerOrder = {core::OwnerKind::kUser, core::OwnerKind::kOrganization,
                                           core::OwnerKind::kSystem};

// The owner's name among the request's, or nothing when the request names no such owner.
inline std::optional<std::string_view> owner_of(const PickRequest& request, core::OwnerKind kind) {
  switch (kind) {
    case core::OwnerKind::kUser:
      if (request.user.empty()) return std::nullopt;
      return request.user;
    case core::OwnerKind::kOrganization:
      if (request.organization.empty()) return std::nullopt;
      return request.organization;
    case core::OwnerKind::kSystem:
      break;
  }
  return std::string_view{};
}

}  // namespace keypool::store
