// Writing one request into the log without the executor: what log_request does, cheaper than the
// INSERT it stands for.
//
// The row goes straight into its partition and that partition's indexes; it is counted as the
// trigger counts a plain INSERT (store/request_usage.hpp). A partition that has triggers, checks or
// policies of somebody else is written to through SQL, so that they are obeyed. Writes as the
// tables' owner. Throws PgError; needs a transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/headers.hpp"
#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Views live as long as the call. An empty optional is NULL.
struct NewRequest {
  core::Micros created_at;
  std::string_view provider;
  std::string_view model;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> organization_id;
  std::optional<std::int64_t> api_key_id;
  std::optional<std::span<const std::byte>> api_key_fingerprint;
  std::optional<std::string_view> key_source;
  bool is_anonymous;
  std::optional<std::int64_t> lease_id;
  std::int32_t input_tokens;
  std::int32_t output_tokens;
  std::int32_t cached_tokens;
  std::optional<std::int64_t> cost_nano;
  std::optional<std::int64_t> input_cost_nano;
  std::optional<std::int64_t> output_cost_nano;
  std::string_view pricing_source;
  std::optional<std::int32_t> processing_time_ms;
  std::string_view status;
  std::optional<std::int32_t> http_status;
  std::optional<std::string_view> error_type;
  std::optional<std::string_view> error_message;
  std::optional<std::string_view> request_id;
  std::int32_t attempt;
  std::optional<std::string_view> session_id;
  std::optional<std::string_view> trace_id;
  std::optional<Datum> metadata;  // jsonb
  std::span<const core::HeaderField> headers;  // of the answer: read, not written
};

// Returns the row's id.
std::int64_t insert_request(const NewRequest& request);

// The id of the request that was logged under this name before: in the partition of that time, in
// the ones beside it and in the default one. Waits for a transaction that is just logging it.
std::optional<std::int64_t> find_request(std::string_view request_id, std::int32_t attempt,
                                         core::Micros created_at);

}  // namespace keypool::store
