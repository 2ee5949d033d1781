// keypool.webhook_deliveries as the worker reads and writes it.
//
// Each function needs a transaction that acts as the tables' owner; throws PgError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace keypool::worker {

// A post whose time has come, as it is at this moment.
struct DueDelivery {
  std::string id;
  std::int64_t webhook_id = 0;
  std::int64_t alert_id = 0;
  std::string event;
  int attempts = 0;  // so far
  std::string url;
  std::vector<std::byte> envelope;
  std::string body;  // UTF-8
};

// Some `most` for each webhook, the longest due first; those in `under_way` (ids) are left out. An
// alert's end waits until its beginning is delivered or given up.
std::vector<DueDelivery> read_due_deliveries(const std::vector<std::string>& under_way,
                                             std::size_t most);

// When the next one is due that is not due now; core::kNever: none is.
core::Micros next_delivery();

struct Attempt {
  enum class Result { kDelivered, kFailed, kGivenUp, kGone };
  Result result = Result::kFailed;
  int status = 0;          // 0: none
  std::string error;       // empty: none
  core::Micros pause = 0;  // until the next one, when it failed
};
struct Attempted {
  std::string id;
  std::int64_t webhook_id = 0;
  std::int64_t alert_id = 0;
  Attempt attempt;
};
// A webhook that is gone is disabled as well.
void record_attempts(const std::vector<Attempted>& attempts);

// What is a week old, and what has lost its webhook.
void sweep_deliveries();

}  // namespace keypool::worker
