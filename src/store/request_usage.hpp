// Counting logged requests: exactly once, at COMMIT, whichever way their rows came.
//
// A row adds to the totals of the running transaction (core/pending_usage.hpp). When the commit is
// visible, one callback adds those to the keys in shared memory, settles the leases and tells the
// keys' health what became of the last request; a rollback, of a savepoint too, forgets them. A key
// that is not in the pool is loaded just before the commit, or has its share added to its row in
// keypool.key_state. Prepared transactions are refused: their commit may run in another session.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/headers.hpp"
#include "core/pending_usage.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only.
void install_request_usage();

// What counts of a row of the log. Views live as long as the call.
struct LoggedRequest {
  core::Micros created_at;
  // Empty: not known, or none.
  std::string_view provider;
  std::string_view model;
  std::string_view user_id;
  std::string_view organization_id;
  std::optional<std::int64_t> api_key_id;
  std::optional<std::int64_t> lease_id;
  bool has_user;
  bool has_fingerprint;
  bool is_anonymous;
  std::int64_t tokens;
  bool is_priced;
  std::int64_t cost_nano;  // 0 when unknown
  std::optional<std::int32_t> processing_time_ms;
  std::string_view status;
  std::int32_t http_status;  // 0: none
  std::optional<std::string_view> error_type;
  std::string_view error_message;
  std::span<const core::HeaderField> headers;  // of the answer; no column holds them
};

// Whether the row is an error in the statistics.
bool failed(const LoggedRequest& request) noexcept;

// A row came, changed or went. Nothing is counted by this; at COMMIT the worker learns that there
// is something to fold.
void note_change();

// A new row.
void count_request(const LoggedRequest& request);
// What the headers say of a new row that was counted without them.
void note_headers(const LoggedRequest& request);
// A row that an UPDATE or DELETE ended, and one that an UPDATE made of it: totals alone.
void uncount_request(const LoggedRequest& request);
void recount_request(const LoggedRequest& request);

}  // namespace keypool::store
