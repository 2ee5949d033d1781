// What every row of the request log must fulfil, whichever way it comes: log_request asks here
// before it writes, the log's trigger asks for rows of INSERT, COPY and UPDATE.
//
// Pure; throws core::Error (22023, and 54000 for what is too large).
#pragma once

#include <cstdint>
#include <limits>

#include "core/time.hpp"

namespace keypool::core {

inline constexpr std::size_t kMostMetadata = std::size_t{1} << 20;  // bytes of the stored jsonb

// Provider, model, user, organization and key source are what figures are asked for by: together
// they must fit into an index of the rollups.
inline constexpr std::size_t kMostRequestName = 255;  // bytes

struct RequestFacts {
  bool is_anonymous = false;
  bool has_user = false;
  bool has_key = false;  // an id, a key to be looked up, or a lease
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t cost_nano = 0;
  std::int64_t processing_time_ms = 0;
  Micros created_at = 0;  // kNever and the least number are the infinities
  std::size_t metadata_size = 0;
  std::size_t longest_name = 0;
};

void check_request(const RequestFacts& facts);

}  // namespace keypool::core
