// What an answer of a webhook's receiver means, and when a post that failed is tried again.
//
// Pure functions: no lock, no I/O; throw nothing but std::bad_alloc.
#pragma once

#include <string_view>

#include "core/time.hpp"
#include "worker/transport.hpp"
#include "worker/webhook_table.hpp"

namespace keypool::worker {

// Doubles from a second on, up to an hour. `attempts` counts those made.
core::Micros retry_pause(int attempts) noexcept;

// 2xx is delivered. 410 means that the receiver is gone for good. All else is tried again until
// `most` attempts were made: what is misconfigured today may be put right by then. `attempts`
// counts this one; `secret` is taken out of whatever the receiver said.
Attempt judge_answer(const HttpAnswer& answer, int attempts, int most, std::string_view secret);

// A post that could not be made, for a reason of ours.
Attempt judge_failure(std::string_view why, int attempts, int most);

}  // namespace keypool::worker
