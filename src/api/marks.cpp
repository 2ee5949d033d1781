// mark_key_error, mark_key_success: what the application saw when it used a key.
#include <optional>

#include "api/answer_headers.hpp"
#include "core/answer.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "store/coherence.hpp"
#include "store/loader.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// 0: there was no answer, as without the argument.
int http_status(const pg::Args& args, int position) {
  const std::int32_t status = args.optional<std::int32_t>(position).value_or(0);
  if (status >= 0 && status <= 999) return status;
  throw core::Error(core::ErrorCode::kInvalidArgument, "http_status must be between 0 and 999");
}

// Milliseconds; -1: not measured.
double latency(const pg::Args& args, int position) {
  const auto given = args.optional<std::int32_t>(position);
  if (!given) return -1;
  if (*given >= 0) return *given;
  throw core::Error(core::ErrorCode::kInvalidArgument, "latency_ms must not be negative");
}

// Brings the key into the pool. False: it is revoked, and what became of it no longer matters.
bool is_known(core::Database& database, std::int64_t key_id) {
  switch (store::load_key(database, key_id)) {
    case store::KeyPresence::kLoaded:
      return true;
    case store::KeyPresence::kRevoked:
      return false;
    case store::KeyPresence::kMissing:
      break;
  }
  throw core::Error(core::ErrorCode::kUndefinedKey, "there is no key " + std::to_string(key_id), {},
                    "keypool.api_keys_overview lists the keys.");
}

// mark_key_error(key_id, error_type, http_status, retry_after, headers, message, model) → class
Datum mark_key_error(const pg::Args& args) {
  const auto key_id = args.get<std::int64_t>(0);
  const AnswerHeaders headers(args.optional<pg::Json>(4));
  const core::Answer answer = {.http_status = http_status(args, 2),
                               .error_type = args.optional<std::string_view>(1).value_or(""),
                               .body = args.optional<std::string_view>(5).value_or(""),
                               .headers = headers.fields(),
                               .known_secret = {}};
  const core::Micros now = store::now();
  const core::Verdict verdict = core::classify(answer, now);

  core::Failure failure = {.kind = verdict.failure,
                           .retry_at = verdict.retry_at.value_or(0),
                           .for_model = verdict.for_model,
                           .http_status = static_cast<std::uint16_t>(answer.http_status),
                           .code = verdict.code};
  if (const auto wait = args.optional<pg::Duration>(3)) {
    failure.retry_at = core::bounded_deadline(now, wait->value);
  }
  if (const auto model = args.optional<std::string_view>(6)) {
    failure.model = core::text_hash(*model);
  }
  const core::RateLimits limits = core::read_rate_limits(answer.headers, now);

  store::catch_up();
  core::Database& database = store::current_database();
  const bool reported = store::report_failure(database, key_id, failure, limits);
  if (!reported && is_known(database, key_id)) {
    store::report_failure(database, key_id, failure, limits);
  }
  return pg::to_datum(core::name(verdict.failure));
}

// mark_key_success(key_id, latency_ms, headers)
Datum mark_key_success(const pg::Args& args) {
  const auto key_id = args.get<std::int64_t>(0);
  const double latency_ms = latency(args, 1);
  const AnswerHeaders headers(args.optional<pg::Json>(2));
  const core::RateLimits limits = core::read_rate_limits(headers.fields(), store::now());

  store::catch_up();
  core::Database& database = store::current_database();
  const bool reported = store::report_success(database, key_id, latency_ms, limits);
  if (!reported && is_known(database, key_id)) {
    store::report_success(database, key_id, latency_ms, limits);
  }
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(mark_key_error, mark_key_error);
KEYPOOL_FUNCTION(mark_key_success, mark_key_success);

}  // namespace keypool::api
