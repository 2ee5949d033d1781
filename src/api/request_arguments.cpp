#include "api/request_arguments.hpp"

#include <algorithm>
#include <string>

#include "api/request_object.hpp"
#include "core/error.hpp"
#include "core/key_fields.hpp"
#include "core/price.hpp"
#include "core/request_rules.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/detoast.h"
#include "mb/pg_wchar.h"
}

namespace keypool::api {

namespace {

constexpr std::size_t kMaxName = core::kMostRequestName;
constexpr std::size_t kMaxText = core::kMostRequestName;
static_assert(kMaxText <= core::kMaxModelSize, "a model's name that was cut can have a price");

[[noreturn]] void refuse(int argument, const char* what) {
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string(kRequestArgumentNames[argument]) + " " + what);
}

// SQL arguments under the names that a JSON object has for them.
class SqlArguments {
 public:
  explicit SqlArguments(const pg::Args& args) : args_(args) {}
  std::string_view required(int argument) const { return args_.get<std::string_view>(argument); }
  template <typename T>
  std::optional<T> get(int argument) const {
    return args_.optional<T>(argument);
  }
  std::optional<Datum> numeric(int argument) const { return datum(argument); }
  std::optional<Datum> json(int argument) const { return datum(argument); }

 private:
  std::optional<Datum> datum(int argument) const {
    if (args_.is_null(argument)) return std::nullopt;
    return args_.datum(argument);
  }

  const pg::Args& args_;
};

template <typename Source>
std::optional<std::string_view> text(const Source& source, int argument) {
  const auto given = source.template get<std::string_view>(argument);
  if (given && given->empty()) return std::nullopt;
  return given;
}

template <typename Source>
std::optional<std::string_view> identity(const Source& source, int argument) {
  const auto given = text(source, argument);
  if (given && given->size() > kMaxName) {
    throw core::Error(core::ErrorCode::kTooLarge,
                      std::string(kRequestArgumentNames[argument]) + " is longer than 255 bytes",
                      "It has " + std::to_string(given->size()) + " bytes.",
                      "Pass a digest of it: cut off, two of them could become one.");
  }
  return given;
}

// No character is cut in two, in whatever encoding the database has.
std::string_view cut(std::string_view given) {
  if (given.size() <= kMaxText) [[likely]]
    return given;
  // Longer texts need not be looked at as a whole.
  const auto seen = static_cast<int>(std::min(given.size(), 2 * kMaxText));
  const int kept =
      pg::call([=] { return pg_mbcliplen(given.data(), seen, static_cast<int>(kMaxText)); });
  return given.substr(0, static_cast<std::size_t>(kept));
}

template <typename Source>
std::optional<std::string_view> description(const Source& source, int argument) {
  const auto given = text(source, argument);
  if (!given) return std::nullopt;
  return cut(*given);
}

template <typename Source>
core::Micros moment(const Source& source, int argument) {
  const auto given = source.template get<pg::Instant>(argument);
  return given ? given->value : GetCurrentTransactionStartTimestamp();
}

template <typename Source>
std::optional<std::int64_t> cost(const Source& source, int argument) {
  const std::optional<Datum> given = source.numeric(argument);
  if (!given) return std::nullopt;
  try {
    const std::int64_t nanos = pg::from_datum<pg::Nanos>(*given).value;
    if (nanos < core::kCostLimitNano) return nanos;
  } catch (const core::Error&) {  // does not fit, or is no number at all
  }
  refuse(argument, "must be finite and below a million dollars");
}

template <typename Source>
RequestArguments read(const Source& source) {
  return {.provider = source.required(kProvider),
          .model = cut(source.required(kModel)),
          .user_id = identity(source, kUserId),
          .organization_id = identity(source, kOrganizationId),
          .api_key_id = source.template get<std::int64_t>(kApiKeyId),
          .api_key = text(source, kApiKey),
          .lease_id = source.template get<std::int64_t>(kLeaseId),
          .input_tokens = source.template get<std::int32_t>(kInputTokens).value_or(0),
          .output_tokens = source.template get<std::int32_t>(kOutputTokens).value_or(0),
          .cached_tokens = source.template get<std::int32_t>(kCachedTokens).value_or(0),
          .cost_nano = cost(source, kCostUsd),
          .processing_time_ms = source.template get<std::int32_t>(kProcessingTimeMs),
          .status = description(source, kStatus).value_or("completed"),
          .http_status = source.template get<std::int32_t>(kHttpStatus),
          .error_type = description(source, kErrorType),
          .error_message = text(source, kErrorMessage),
          .request_id = identity(source, kRequestId),
          .session_id = description(source, kSessionId),
          .trace_id = description(source, kTraceId),
          .is_anonymous = source.template get<bool>(kIsAnonymous),
          .created_at = moment(source, kCreatedAt),
          .metadata = source.json(kMetadata),
          .attempt = source.template get<std::int32_t>(kAttempt).value_or(1),
          .headers = source.json(kHeaders)};
}

std::size_t metadata_size(const RequestArguments& request) {
  if (!request.metadata) return 0;
  const Datum metadata = *request.metadata;
  return pg::call([metadata] { return toast_raw_datum_size(metadata); });
}

// The rules of every row first, then those of the arguments alone.
RequestArguments checked(RequestArguments request) {
  core::check_request({.is_anonymous = request.is_anonymous.value_or(false),
                       .has_user = request.user_id.has_value(),
                       .has_key = request.api_key_id || request.api_key || request.lease_id,
                       .input_tokens = request.input_tokens,
                       .output_tokens = request.output_tokens,
                       .cached_tokens = request.cached_tokens,
                       .cost_nano = request.cost_nano.value_or(0),
                       .processing_time_ms = request.processing_time_ms.value_or(0),
                       .created_at = request.created_at,
                       .metadata_size = metadata_size(request)});
  const std::int32_t http_status = request.http_status.value_or(0);
  if (http_status < 0 || http_status > 999) refuse(kHttpStatus, "must be between 0 and 999");
  if (request.attempt < 0) refuse(kAttempt, "must not be negative");
  return request;
}

}  // namespace

RequestArguments request_arguments(const pg::Args& args) {
  return checked(read(SqlArguments(args)));
}

RequestArguments request_arguments(const RequestObject& object) { return checked(read(object)); }

}  // namespace keypool::api
