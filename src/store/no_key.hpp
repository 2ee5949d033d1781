// What is said when a pick gives nothing: which candidates there were, what stands in the way of
// each, and when the first of them frees itself.
#pragma once

#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "store/pick.hpp"

namespace keypool::store {

core::Error no_key_available(const PickRequest& request, const std::vector<Candidate>& candidates);
core::Error unknown_provider(core::Database& database, std::string_view asked);
core::Error leases_full();

// Why this key cannot be taken, for people: "cooling (rate_limit)".
std::string reason_of(const Candidate& candidate);
// The same with the moment at which it ends, if the clock ends it.
std::string explanation_of(const Candidate& candidate);

}  // namespace keypool::store
