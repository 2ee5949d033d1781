// What log_request is told of a request, from its SQL arguments or from a JSON object with the same
// names, checked and with defaults in place: the one place that decides what is refused and what is
// cut.
//
// A name that identifies (user, organization, request) is refused when it is too long, since two of
// them could become one; text that describes is cut. An empty name is no name. Views live as long
// as the call. Throws kInvalidArgument, kTooLarge, and PgError.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.hpp"
#include "pg/args.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

class RequestObject;

// Positions as sql/install/33_functions_requests.sql declares them.
enum RequestArgument {
  kProvider,
  kModel,
  kUserId,
  kOrganizationId,
  kApiKeyId,
  kApiKey,
  kLeaseId,
  kInputTokens,
  kOutputTokens,
  kCachedTokens,
  kCostUsd,
  kProcessingTimeMs,
  kStatus,
  kHttpStatus,
  kErrorType,
  kErrorMessage,
  kRequestId,
  kSessionId,
  kTraceId,
  kIsAnonymous,
  kCreatedAt,
  kMetadata,
  kAttempt,
  kHeaders,
  kRequestArguments
};

inline constexpr std::array<std::string_view, kRequestArguments> kRequestArgumentNames = {
    "provider",      "model",         "user_id",    "organization_id",
    "api_key_id",    "api_key",       "lease_id",   "input_tokens",
    "output_tokens", "cached_tokens", "cost_usd",   "processing_time_ms",
    "status",        "http_status",   "error_type", "error_message",
    "request_id",    "session_id",    "trace_id",   "is_anonymous",
    "created_at",    "metadata",      "attempt",    "headers"};

struct RequestArguments {
  std::string_view provider;
  std::string_view model;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> organization_id;
  std::optional<std::int64_t> api_key_id;
  std::optional<std::string_view> api_key;  // a secret
  std::optional<std::int64_t> lease_id;
  std::int32_t input_tokens;
  std::int32_t output_tokens;
  std::int32_t cached_tokens;
  std::optional<std::int64_t> cost_nano;
  std::optional<std::int32_t> processing_time_ms;
  std::string_view status;
  std::optional<std::int32_t> http_status;
  std::optional<std::string_view> error_type;
  std::optional<std::string_view> error_message;
  std::optional<std::string_view> request_id;
  std::optional<std::string_view> session_id;
  std::optional<std::string_view> trace_id;
  std::optional<bool> is_anonymous;
  core::Micros created_at;
  std::optional<Datum> metadata;  // jsonb
  std::int32_t attempt;
  std::optional<Datum> headers;  // jsonb
};

RequestArguments request_arguments(const pg::Args& args);
RequestArguments request_arguments(const RequestObject& object);

}  // namespace keypool::api
