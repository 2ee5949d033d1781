// The talk between a backend that wants a table imported and the worker that does it: an order,
// then nothing until it is done, could not be done, or is wanted no more.
//
// A bounded table on the worker board, under the board's lock; what is ordered lies in a DSM
// segment of the backend's. An order outlives the worker: the next one goes on with it. It does not
// outlive its backend: the worker notices within a batch that nobody waits any more, and stops. How
// far an import has come stands in its row, never here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/postgres.hpp"

extern "C" {
#include "storage/dsm.h"
}

namespace keypool::store {

inline constexpr std::size_t kMaxImportOrders = 32;  // over all databases

// The backend's end. The destructor takes the order back; a process that is terminated need not.
class ImportOrder {
 public:
  // Throws kConfigurationLimit when too many are waiting.
  explicit ImportOrder(std::string_view work);
  ImportOrder(const ImportOrder&) = delete;
  ImportOrder& operator=(const ImportOrder&) = delete;
  ~ImportOrder();

  // Waits until it is done. Throws kNotReady with what the worker could not do, kWorkerUnavailable
  // when no worker has been there for a while, PgError on a cancel.
  void wait();

 private:
  dsm_segment* segment_;
  std::uint64_t number_;
  std::uint64_t errors_before_;
};

// Whether this database has a worker that takes orders; waits a moment for one that starts.
bool import_worker_runs();

// --- the worker's end

struct PostedImport {
  std::uint64_t number;
  std::string work;
};

// Whether there is an order that this worker has not taken yet. Cheap.
bool imports_posted() noexcept;
// Takes those orders, except the ones whose backends have just gone.
std::vector<PostedImport> take_imports();
void bind_import(std::uint64_t number, std::int64_t import_id) noexcept;
// Of an import that another worker has left behind; 0: nobody waits for it.
std::uint64_t order_of_import(std::int64_t import_id) noexcept;
// False: its backend has taken it back, or has gone.
bool import_wanted(std::uint64_t number) noexcept;
// The order's end; `problem` empty: it is done.
void end_import(std::uint64_t number, std::string_view problem) noexcept;

}  // namespace keypool::store
