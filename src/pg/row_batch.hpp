// Rows read by one role and written by another: a Cursor reads a query in batches, and a RowBatch
// is one of them, which later statements see as a table.
//
//   pg::Cursor cursor(sql, {reached, up_to, limit});   // with the rights of the current role
//   pg::RowBatch batch(cursor, 1000);
//   ... as somebody else: pg::Session session; batch.show_to(session, "batch");
//   session.run("INSERT INTO … SELECT … FROM batch");
//
// A batch lies in memory up to a bound and in a temporary file beyond. Both must end in the
// transaction they were made in; what they hold after an error is freed by the rollback. Everything
// throws PgError. A cursor needs an active snapshot, which is what it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pg/datum.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/portal.h"
#include "utils/tuplestore.h"
}

namespace keypool::pg {

class Cursor {
 public:
  struct Parameter {
    Oid type;
    NullableValue value;
  };

  Cursor(const char* sql, std::span<const Parameter> parameters);
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor();

 private:
  friend class RowBatch;

  Portal portal_;
  std::uint64_t errors_before_;
};

class RowBatch {
 public:
  // The next rows of the cursor, so many at most.
  RowBatch(const Cursor& cursor, std::size_t most);
  RowBatch(const RowBatch&) = delete;
  RowBatch& operator=(const RowBatch&) = delete;
  ~RowBatch();

  std::size_t size() const noexcept { return size_; }
  // Statements of that session see the batch under a name (a literal). Any number of sessions, one
  // after the other.
  void show_to(Session& session, const char* name) const;

 private:
  Tuplestorestate* rows_;
  TupleDesc type_;
  std::size_t size_;
  std::uint64_t errors_before_;
};

}  // namespace keypool::pg
