// A table of sums, open for being added to: its first columns say what the sums are of and have a
// unique index together, the others are bigint. A row in which nothing is left is deleted.
//
// Nobody else may write to the table meanwhile (store/fold.cpp holds the lock that says so): rows
// are found as they are now, not as a snapshot has them. Through the executor's functions for
// single rows, so that whatever somebody adds to the table, an index or a trigger, is obeyed. Needs
// a transaction and an active snapshot; throws PgError, and Error when a sum leaves 64 bits. After
// an error the rollback closes what is open.
#pragma once

#include <cstdint>
#include <span>

#include "pg/datum.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"
}

namespace keypool::store {

class RollupTable {
 public:
  RollupTable(Oid table, int keys);
  RollupTable(const RollupTable&) = delete;
  RollupTable& operator=(const RollupTable&) = delete;

  // Once for each row, until next_round().
  void add(std::span<const pg::NullableValue> keys, std::span<const std::int64_t> amounts);
  void next_round();
  void close();

 private:
  static constexpr int kMostKeys = 8;

  void open(Oid table);
  void open_scan();
  Oid unique_index() const;
  bool find(std::span<const pg::NullableValue> keys);
  bool change(std::span<const std::int64_t> amounts);
  void insert(std::span<const pg::NullableValue> keys, std::span<const std::int64_t> amounts);

  int keys_;
  Relation relation_ = nullptr;
  SysScanDesc scan_ = nullptr;
  ScanKeyData key_[kMostKeys];    // in the order of the index
  AttrNumber column_[kMostKeys];  // of the table, in that order
  EState* executor_ = nullptr;
  ResultRelInfo* result_ = nullptr;
  TupleTableSlot* row_ = nullptr;
  MemoryContext memory_ = nullptr;  // of one row
};

}  // namespace keypool::store
