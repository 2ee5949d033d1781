#include "store/import_channel.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/time.hpp"
#include "pg/guard.hpp"
#include "pg/lwlock.hpp"
#include "pg/settings.hpp"
#include "store/shared_pool.hpp"
#include "store/worker_board.hpp"
#include "store/worker_board_memory.hpp"
#include "store/worker_wait.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "storage/procarray.h"
}

namespace keypool::store {

namespace {

constexpr core::Micros kStartPatience = 2 * core::kSecond;
constexpr core::Micros kRestartPatience = core::kMinute;
constexpr long kLookAgainMs = 100;

// What the segment holds: the size, then the text.
struct Work {
  std::size_t size;
  char text[FLEXIBLE_ARRAY_MEMBER];
};

// Under the lock; null when there is none.
PendingImport* find_order(std::uint64_t number) noexcept {
  for (PendingImport& pending : board().imports) {
    if (pending.number == number) return &pending;
  }
  return nullptr;
}

bool is_waiting(const PendingImport& pending) noexcept {
  return !pending.withdrawn && BackendPidGetProc(pending.requester) != nullptr;
}

std::uint64_t post(dsm_handle segment) {
  const pg::ExclusiveGuard guard(board_lock());
  PendingImport* place = find_order(0);
  for (PendingImport& pending : board().imports) {
    // Left behind by a backend that was terminated, in a database without a worker.
    if (place == nullptr && !is_waiting(pending)) place = &pending;
  }
  if (place == nullptr) return 0;
  *place = {.number = ++board().last_import,
            .database = MyDatabaseId,
            .stage = ImportStage::kPosted,
            .requester = MyProcPid,
            .requester_latch = MyLatch,
            .segment = segment};
  return place->number;
}

// Under the lock: an order for this process that it has not seen yet.
bool is_new(const PendingImport& pending) noexcept {
  return pending.number != 0 && pending.database == MyDatabaseId &&
         pending.stage == ImportStage::kPosted && pending.taker != MyProcPid;
}

bool worker_runs() noexcept { return worker_report(MyDatabaseId).state == WorkerState::kRunning; }

}  // namespace

bool import_worker_runs() {
  if (!pg::settings().worker) return false;
  const core::Micros deadline = now() + kStartPatience;
  while (!worker_runs()) {
    if (now() >= deadline) return false;
    wait_for_latch(20);
  }
  return true;
}

// --- the backend's end

ImportOrder::ImportOrder(std::string_view work) : errors_before_(pg::unsettled_errors()) {
  segment_ = pg::call([work] {
    dsm_segment* segment = dsm_create(offsetof(Work, text) + work.size(), 0);
    auto* content = static_cast<Work*>(dsm_segment_address(segment));
    content->size = work.size();
    std::memcpy(content->text, work.data(), work.size());
    return segment;
  });
  number_ = post(dsm_segment_handle(segment_));
  if (number_ == 0) {
    let_go(segment_);
    throw core::Error(core::ErrorCode::kConfigurationLimit,
                      "too many imports are waiting for a worker",
                      "At most " + std::to_string(kMaxImportOrders) + " can.",
                      "Try again when one of them is done.");
  }
  wake_worker(MyDatabaseId);
}

ImportOrder::~ImportOrder() {
  {
    const pg::ExclusiveGuard guard(board_lock());
    if (PendingImport* pending = find_order(number_)) {
      if (pending->stage == ImportStage::kBound) {
        pending->withdrawn = true;
      } else {
        *pending = {};
      }
    }
  }
  // After a Postgres error the rollback that must follow lets the segment go.
  if (pg::unsettled_errors() == errors_before_) let_go(segment_);
}

void ImportOrder::wait() {
  core::Micros seen = now();
  for (;;) {
    PendingImport order = {};
    {
      const pg::SharedGuard guard(board_lock());
      if (const PendingImport* pending = find_order(number_)) order = *pending;
    }
    if (order.stage == ImportStage::kEnded) {
      if (order.problem[0] == '\0') return;
      throw core::Error(core::ErrorCode::kNotReady,
                        std::string("import stopped: ") + order.problem.data(), {},
                        "What was copied stays. Call import_requests() again to go on from there.");
    }
    if (worker_runs()) {
      seen = now();
    } else if (now() - seen > kRestartPatience) {
      throw core::Error(core::ErrorCode::kWorkerUnavailable,
                        "the background worker ended during the import", {},
                        "What was copied stays. Call import_requests() again to go on from there.");
    }
    wait_for_latch(kLookAgainMs);
  }
}

// --- the worker's end

bool imports_posted() noexcept {
  const pg::SharedGuard guard(board_lock());
  const auto& orders = board().imports;
  return std::any_of(std::begin(orders), std::end(orders), is_new);
}

std::vector<PostedImport> take_imports() {
  struct Place {
    std::uint64_t number;
    dsm_handle segment;
  };
  std::vector<Place> places;
  places.reserve(kMaxImportOrders);
  {
    const pg::ExclusiveGuard guard(board_lock());
    for (PendingImport& pending : board().imports) {
      if (!is_new(pending)) continue;
      if (is_waiting(pending)) {
        pending.taker = MyProcPid;
        places.push_back({pending.number, pending.segment});
      } else {
        pending = {};
      }
    }
  }
  std::vector<PostedImport> posted;
  for (const Place& place : places) {
    dsm_segment* segment = pg::call([&place] {
      dsm_segment* attached = dsm_attach(place.segment);
      if (attached != nullptr) dsm_pin_mapping(attached);
      return attached;
    });
    if (segment == nullptr) continue;  // its backend has just gone
    const auto* work = static_cast<const Work*>(dsm_segment_address(segment));
    posted.push_back({place.number, std::string(work->text, work->size)});
    let_go(segment);
  }
  return posted;
}

void bind_import(std::uint64_t number, std::int64_t import_id) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  if (PendingImport* pending = find_order(number)) {
    pending->stage = ImportStage::kBound;
    pending->import_id = import_id;
  }
}

std::uint64_t order_of_import(std::int64_t import_id) noexcept {
  const pg::SharedGuard guard(board_lock());
  for (const PendingImport& pending : board().imports) {
    const bool found = pending.number != 0 && pending.database == MyDatabaseId &&
                       pending.stage == ImportStage::kBound && pending.import_id == import_id;
    if (found) return pending.number;
  }
  return 0;
}

bool import_wanted(std::uint64_t number) noexcept {
  const pg::SharedGuard guard(board_lock());
  const PendingImport* pending = find_order(number);
  return pending != nullptr && is_waiting(*pending);
}

void end_import(std::uint64_t number, std::string_view problem) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  PendingImport* pending = find_order(number);
  if (pending == nullptr) return;
  if (!is_waiting(*pending)) {
    *pending = {};
    return;
  }
  pending->stage = ImportStage::kEnded;
  const int size = static_cast<int>(std::min(problem.size(), pending->problem.size() - 1));
  problem.copy(pending->problem.data(),
               static_cast<std::size_t>(pg_mbcliplen(problem.data(), size, size)));
  SetLatch(pending->requester_latch);
}

}  // namespace keypool::store
