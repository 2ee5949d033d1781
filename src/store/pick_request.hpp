// What a pick is asked for. Views live as long as the call.
#pragma once

#include <string_view>

#include "core/standing.hpp"

namespace keypool::store {

struct PickRequest {
  std::string_view provider;      // name or alias
  std::string_view user;          // empty: none
  std::string_view organization;  // empty: none
  core::Wish wish;
  bool has_cost = false;       // wish.cost_nano was told; else it is estimated
  bool fallback = false;       // goes on along the chain of providers
  bool cheaper_first = false;  // in the order of what the request would cost there
};

}  // namespace keypool::store
