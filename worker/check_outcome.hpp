// What a provider's answer says of a key, and what the asker is told of it.
//
// Pure functions: no lock, no I/O; throw nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/answer.hpp"
#include "core/error.hpp"
#include "core/time.hpp"
#include "store/check_channel.hpp"
#include "worker/transport.hpp"

namespace keypool::worker {

// A key that was asked about, and the verdict.
struct CheckOutcome {
  std::int64_t key_id = 0;
  std::uint64_t round = 0;  // whose question it was (prober.hpp)
  std::string version;      // of the secret that was sent
  core::Verdict verdict;
  store::CheckResult result;
};

// `secret` was sent and is taken out of whatever the provider said.
CheckOutcome judge_check(std::int64_t key_id, const HttpAnswer& answer, std::string_view secret,
                         core::Micros now);

// A key whose secret could not be opened, so that there is nothing to ask with.
CheckOutcome unopened(std::int64_t key_id, const core::Error& error, core::Micros now);

// A key that was not asked about: revoked, disabled, not_checkable …
store::CheckResult not_asked(std::int64_t key_id, std::string status, std::string why,
                             core::Micros now);

}  // namespace keypool::worker
