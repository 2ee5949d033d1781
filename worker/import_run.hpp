// One import in the worker: begun, its days prepared, then copied batch by batch. Each step is a
// transaction of its own that takes some 150 ms.
//
// How far it has come is written in the transaction that copies a batch, so a worker that is killed
// loses that one at most. The source is read with the rights of whoever asked for the import, and
// its trigger is made with them. A lock that somebody holds is waited for between two steps.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/time.hpp"
#include "pg/transaction.hpp"
#include "store/import_channel.hpp"
#include "store/import_copy.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

class ImportRun {
 public:
  // Whether somebody waits for a run of that import already.
  using Busy = std::function<bool(std::int64_t)>;

  explicit ImportRun(const store::PostedImport& posted)
      : order_(posted.number), work_(posted.work) {}
  // Of a worker that has gone; order 0: nobody waits for it.
  ImportRun(std::int64_t import_id, std::uint64_t order) : order_(order), id_(import_id) {}

  std::uint64_t order() const noexcept { return order_; }
  std::int64_t id() const noexcept { return id_; }  // 0: not begun
  core::Micros next_due() const noexcept { return not_before_; }
  bool wanted() const noexcept { return order_ == 0 || store::import_wanted(order_); }

  // The next step. False: it is over.
  bool advance(const Busy& busy);

 private:
  enum class Outcome { kGoesOn, kDone, kBusy };

  Outcome begin(const Busy& busy);
  void follow(std::int64_t import_id, const std::string& make_trigger);
  Outcome make_days();
  Outcome copy_batch();
  Outcome finish();
  bool fail(const pg::Problem& problem);
  void write_end(std::string_view state, std::string_view error) const;

  std::uint64_t order_;
  std::int64_t id_ = 0;
  std::int64_t begun_id_ = 0;  // in a transaction that is not committed yet
  std::string work_;
  core::Micros not_before_ = 0;
  int failures_ = 0;  // in a row
  std::int64_t most_ = 2000;
  bool days_made_ = false;
  int days_missing_ = 0;
  int days_waited_ = 0;
  std::optional<store::ImportReading> reading_;
  std::optional<store::ImportCopy> copy_;
};

}  // namespace keypool::worker
