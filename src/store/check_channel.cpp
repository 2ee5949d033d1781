#include "store/check_channel.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/scrub.hpp"
#include "pg/guard.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"
#include "store/worker_wait.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/proc.h"
}

namespace keypool::store {

namespace {

constexpr Size kQueueSize = 64 * 1024;
constexpr Size kQueueOffset = MAXALIGN(sizeof(CheckQuestion));
constexpr std::size_t kMostErrorText = 512;
constexpr core::Micros kStartPatience = 5 * core::kSecond;
constexpr long kLookAgainMs = 500;  // whether the worker still lives, should nobody tell

enum class MessageKind : std::uint8_t { kResult, kEnd, kNoSuchKey, kFailed };

// The front of every message; the error's text follows.
struct Message {
  MessageKind kind;
  std::int8_t healthy;  // below 0: not asked
  std::array<char, 32> status;
  std::int64_t key_id;
  std::int64_t checked_at;
  std::int32_t http_status;  // 0: none
  std::int32_t latency_ms;   // below 0: none
  std::uint32_t error_size;  // 0: none
};

std::string packed(Message message, std::string error) {
  core::cut_utf8(error, kMostErrorText);
  message.error_size = static_cast<std::uint32_t>(error.size());
  std::string bytes(sizeof message, '\0');
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes + error;
}

CheckResult unpacked(const Message& message, std::string_view error) {
  CheckResult result;
  result.key_id = message.key_id;
  if (message.healthy >= 0) result.healthy = message.healthy != 0;
  result.status = message.status.data();
  if (message.http_status != 0) result.http_status = message.http_status;
  if (message.latency_ms >= 0) result.latency_ms = message.latency_ms;
  if (!error.empty()) result.error = error;
  result.checked_at = message.checked_at;
  return result;
}

shm_mq* queue_of(dsm_segment* segment) {
  return reinterpret_cast<shm_mq*>(static_cast<char*>(dsm_segment_address(segment)) + kQueueOffset);
}

void await_starting_worker() {
  if (pg::call([] { return RecoveryInProgress(); })) {
    throw core::Error(core::ErrorCode::kWorkerUnavailable,
                      "keys cannot be checked on a standby server",
                      "Only the primary server has a worker that talks to providers.",
                      "Call the function on the primary server.");
  }
  const core::Micros deadline = now() + kStartPatience;
  while (worker_report(MyDatabaseId).state == WorkerState::kStarting && now() < deadline) {
    wait_for_latch(20);
  }
}

core::Error worker_gone_error() {
  return {core::ErrorCode::kWorkerUnavailable,
          "the background worker ended while it was checking keys",
          "What it had found out is kept; a new worker is started.",
          "See last_error in keypool.worker_status, and the server's log."};
}

core::Error no_such_key(std::int64_t key_id) {
  return {core::ErrorCode::kUndefinedKey, "key " + std::to_string(key_id) + " does not exist",
          "The worker sees committed keys only, so one that this transaction has added is unknown "
          "to it."};
}

}  // namespace

CheckInquiry::CheckInquiry(const CheckQuestion& question)
    : key_id_(question.key_id), errors_before_(pg::unsettled_errors()) {
  await_starting_worker();
  pg::call([&] {
    segment_ = dsm_create(kQueueOffset + kQueueSize, 0);
    std::memcpy(dsm_segment_address(segment_), &question, sizeof question);
    shm_mq* queue = shm_mq_create(queue_of(segment_), kQueueSize);
    shm_mq_set_receiver(queue, MyProc);
    queue_ = shm_mq_attach(queue, segment_, nullptr);
  });
  try {
    ticket_ = post_check(dsm_segment_handle(segment_));
  } catch (const core::Error&) {
    let_go(segment_);
    throw;
  }
}

// After a Postgres error the rollback that must follow lets the segment go.
CheckInquiry::~CheckInquiry() {
  cancel_check(ticket_);
  if (pg::unsettled_errors() == errors_before_) let_go(segment_);
}

std::optional<CheckResult> CheckInquiry::next() {
  for (;;) {
    // Looked at first: whatever a worker sent before it went has arrived then.
    const bool abandoned = check_abandoned(ticket_);
    Size size = 0;
    void* data = nullptr;
    shm_mq_handle* queue = queue_;
    const shm_mq_result outcome =
        pg::call([&] { return shm_mq_receive(queue, &size, &data, /*nowait=*/true); });
    if (outcome == SHM_MQ_SUCCESS) {
      Message message;
      std::memcpy(&message, data, sizeof message);
      const std::string_view error(static_cast<const char*>(data) + sizeof message,
                                   message.error_size);
      switch (message.kind) {
        case MessageKind::kResult:
          return unpacked(message, error);
        case MessageKind::kEnd:
          return std::nullopt;
        case MessageKind::kNoSuchKey:
          throw no_such_key(key_id_);
        case MessageKind::kFailed:
          throw core::Error(core::ErrorCode::kWorkerUnavailable,
                            "the background worker could not check keys", std::string(error),
                            "See the server's log.");
      }
    }
    if (outcome == SHM_MQ_DETACHED || abandoned) throw worker_gone_error();
    wait_for_latch(kLookAgainMs);
  }
}

std::unique_ptr<CheckReplies> CheckReplies::open(dsm_handle handle) {
  struct Attached {
    dsm_segment* segment;
    shm_mq_handle* queue;
  };
  const Attached attached = pg::call([=]() -> Attached {
    dsm_segment* segment = dsm_attach(handle);
    if (segment == nullptr) return {};
    dsm_pin_mapping(segment);
    shm_mq* queue = queue_of(segment);
    shm_mq_set_sender(queue, MyProc);
    MemoryContextSwitchTo(TopMemoryContext);
    return {segment, shm_mq_attach(queue, segment, nullptr)};
  });
  if (attached.segment == nullptr) return nullptr;
  CheckQuestion question;
  std::memcpy(&question, dsm_segment_address(attached.segment), sizeof question);
  return std::unique_ptr<CheckReplies>(
      new CheckReplies(attached.segment, attached.queue, question));
}

CheckReplies::~CheckReplies() {
  // Frees the handle too, which letting go of the segment would not.
  shm_mq_detach(queue_);
  let_go(segment_);
}

void CheckReplies::add(const CheckResult& result) {
  Message message = {};
  message.kind = MessageKind::kResult;
  message.healthy = result.healthy ? static_cast<std::int8_t>(*result.healthy) : std::int8_t{-1};
  const std::size_t size = std::min(result.status.size(), message.status.size() - 1);
  std::copy_n(result.status.begin(), size, message.status.begin());
  message.key_id = result.key_id;
  message.checked_at = result.checked_at;
  message.http_status = result.http_status.value_or(0);
  message.latency_ms = result.latency_ms.value_or(-1);
  backlog_.push_back(packed(message, result.error.value_or("")));
}

void CheckReplies::end() {
  backlog_.push_back(packed({.kind = MessageKind::kEnd}, {}));
  ended_ = true;
}

void CheckReplies::end_without_key() {
  backlog_.push_back(packed({.kind = MessageKind::kNoSuchKey}, {}));
  ended_ = true;
}

void CheckReplies::end_with_failure(std::string_view why) {
  backlog_.push_back(packed({.kind = MessageKind::kFailed}, std::string(why)));
  ended_ = true;
}

bool CheckReplies::pump() {
  while (!backlog_.empty()) {
    const std::string& message = backlog_.front();
    const char* data = message.data();
    const Size size = message.size();
    const bool last = backlog_.size() == 1;
    shm_mq_handle* queue = queue_;
    const shm_mq_result outcome = pg::call(
        [=] { return shm_mq_send(queue, size, data, /*nowait=*/true, /*force_flush=*/last); });
    if (outcome == SHM_MQ_DETACHED) return false;
    if (outcome == SHM_MQ_WOULD_BLOCK) return true;
    backlog_.pop_front();
  }
  return !ended_;
}

}  // namespace keypool::store
