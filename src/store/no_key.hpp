// What is said when a pick gives nothing: which candidates there were, what stands in the way of
// each, and when the first of them frees itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "store/candidates.hpp"
#include "store/pick_request.hpp"

namespace keypool::store {

// "2 candidates: 1 cooling (rate_limit), 1 unhealthy (credential)."
std::string counted_by_reason(const std::vector<Candidate>& candidates);
core::Error no_key_available(const PickRequest& request, const std::vector<Candidate>& candidates);
core::Error unknown_provider(core::Database& database, std::string_view asked);
core::Error leases_full();

// A moment up to the whole second: who waits until then is not early, and nobody reads
// microseconds.
std::string second_of(core::Micros moment);
// A hint: when that is free again, and how many seconds that is from now.
std::string free_again(std::string_view what, core::Micros free_at);

// Why this key cannot be taken, for people: "cooling (rate_limit)".
std::string reason_of(const Candidate& candidate);
// The same with the figures of a limit, and the moment at which it ends if the clock ends it.
std::string explanation_of(const Candidate& candidate);

}  // namespace keypool::store
