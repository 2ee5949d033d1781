// Reading row versions of the request log, or of what ended there, by the transactions that wrote
// them: in the active snapshot, over the index on xid of each leaf partition, or over all of a
// partition that lacks one.
//
// A partition that is dropped meanwhile is passed over. No privilege is checked: who calls may
// know everybody's figures. Locks are given back at once, so that no reader of a view holds up
// retention. Needs a transaction; throws PgError. After an error the rollback closes what is open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/request_tally.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "utils/relcache.h"
}

namespace keypool::store {

// Numbers of transactions, as xid8 has them.
using Xid = std::uint64_t;
inline constexpr Xid kNoXid = std::numeric_limits<Xid>::max();

// What the rows of which are read.
enum class RequestRows : std::uint8_t { kLog, kChanges };

struct RequestTable {
  Oid oid;
  RequestRows rows;
};

// The leaf partitions of the log, and keypool.request_changes.
std::vector<RequestTable> request_tables();

// The views live until the next row is read.
struct RequestVersion {
  Xid xid;      // that wrote it, or that ended it
  Xid row_xid;  // that wrote what was ended; of the log 0
  core::RequestDimensions dimensions;
  core::RequestSums sums;
};

class RequestScan {
 public:
  // Of transactions from <= xid < below. In the order of xid, if is_ordered().
  RequestScan(const RequestTable& table, Xid from, Xid below);
  RequestScan(const RequestScan&) = delete;
  RequestScan& operator=(const RequestScan&) = delete;

  bool is_ordered() const noexcept { return scan_ == nullptr || scan_->irel != nullptr; }

  // The next version that the snapshot sees; false, and everything is closed, after the last.
  bool next(RequestVersion& version);
  // The same, of which only the number is wanted.
  bool next(Xid& xid);
  // The number in the next entry of the index, seen or not. Only of an ordered scan, and instead
  // of next().
  bool next_entry(Xid& xid);
  // Ends the scan before its last row.
  void close();

 private:
  static constexpr int kFigures = 19;

  void open(const RequestTable& table, Xid from, Xid below);
  bool advance();
  void find_columns();
  void read(RequestVersion& version);
  void end();
  Datum value(int figure) const;
  bool is_null(int figure) const;

  RequestRows rows_;
  Relation relation_ = nullptr;
  SysScanDesc scan_ = nullptr;
  ScanKeyData range_[2];
  AttrNumber columns_[kFigures];  // of this table; xid's alone until a row is read
  AttrNumber last_column_ = 0;    // 0: not looked for yet
  MemoryContext row_memory_ = nullptr;
  bool walking_ = false;
};

}  // namespace keypool::store
