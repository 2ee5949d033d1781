// The talk between a backend that wants keys checked and the worker that checks them: a question,
// then any number of results, through one DSM segment with a shm_mq in it.
//
// The backend makes the segment and waits in a way that a cancel ends at once; the worker never
// waits: what the queue does not take stays in a backlog. Either side notices at its next call that
// the other has gone. How the segment gets to the worker: store/check_requests.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "store/check_requests.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/dsm.h"
#include "storage/shm_mq.h"
}

namespace keypool::store {

enum class CheckScope : std::uint8_t { kKey, kProvider, kAll };

struct CheckQuestion {
  CheckScope scope;
  std::int64_t key_id;            // kKey
  std::array<char, 64> provider;  // kProvider: its name, NUL-terminated
};

// What became of one key. No secret in any of it.
struct CheckResult {
  std::int64_t key_id = 0;
  std::optional<bool> healthy;  // empty: it was not asked
  std::string status;           // ok, a failure class, or why it was not asked
  std::optional<std::int32_t> http_status;
  std::optional<std::int32_t> latency_ms;
  std::optional<std::string> error;
  core::Micros checked_at = 0;
};

// The backend's end.
class CheckInquiry {
 public:
  // Asks the worker of this database, and waits a few seconds for one that is starting. Throws
  // kWorkerUnavailable and what post_check() throws.
  explicit CheckInquiry(const CheckQuestion& question);
  CheckInquiry(const CheckInquiry&) = delete;
  CheckInquiry& operator=(const CheckInquiry&) = delete;
  ~CheckInquiry();

  // Waits for the next result; empty after the last. Throws kUndefinedKey for a key that the worker
  // does not know, kWorkerUnavailable when the worker goes or fails, PgError on a cancel.
  std::optional<CheckResult> next();

 private:
  dsm_segment* segment_;
  shm_mq_handle* queue_;
  CheckTicket ticket_;
  std::int64_t key_id_;
  std::uint64_t errors_before_;
};

// The worker's end.
class CheckReplies {
 public:
  // Empty: the asker has gone.
  static std::unique_ptr<CheckReplies> open(dsm_handle handle);
  CheckReplies(const CheckReplies&) = delete;
  CheckReplies& operator=(const CheckReplies&) = delete;
  ~CheckReplies();

  const CheckQuestion& question() const noexcept { return question_; }

  void add(const CheckResult& result);
  // The last word: all is said, there is no such key, or it could not be done.
  void end();
  void end_without_key();
  void end_with_failure(std::string_view why);

  // Sends what the queue takes now. False: the asker has gone, or has been told everything.
  bool pump();
  std::size_t backlog() const noexcept { return backlog_.size(); }
  bool ended() const noexcept { return ended_; }

 private:
  CheckReplies(dsm_segment* segment, shm_mq_handle* queue, const CheckQuestion& question) noexcept
      : segment_(segment), queue_(queue), question_(question) {}

  dsm_segment* segment_;
  shm_mq_handle* queue_;
  CheckQuestion question_;
  std::deque<std::string> backlog_;  // messages
  bool ended_ = false;
};

}  // namespace keypool::store
