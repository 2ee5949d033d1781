// What an SQL function answers with when it is more than one value (phase "pack" of entry.hpp).
//
//   return pg::record(args, lease, key_id, name, region);  // one row of OUT or TABLE columns
//   pg::RowSet rows(args);                                 // a set, materialized
//   rows.add(position, key_id, optional_reason, score);
//   return rows.finish();
//
// Values in the declared order and of the declared types (datum.hpp); an empty optional is NULL.
// Everything throws PgError; a wrong number of columns is XX000, a bug in ours or in the SQL.
#pragma once

#include <cstddef>

#include "pg/args.hpp"
#include "pg/datum.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace detail {

// The function's row type, looked up once a query and kept with the call site. Inside pg::call.
TupleDesc row_type(FunctionCallInfo call_info);
Datum form_record(TupleDesc type, const NullableValue* values, std::size_t count);

}  // namespace detail

template <typename... Columns>
Datum record(const Args& args, const Columns&... columns) {
  FunctionCallInfo call_info = args.call_info();
  return call([&] {
    const NullableValue values[] = {pack(columns)...};
    return detail::form_record(detail::row_type(call_info), values, sizeof...(Columns));
  });
}

class RowSet {
 public:
  explicit RowSet(const Args& args);

  template <typename... Columns>
  void add(const Columns&... columns) {
    call([&] {
      MemoryContext outer = MemoryContextSwitchTo(row_memory_);
      const NullableValue values[] = {pack(columns)...};
      put(values, sizeof...(Columns));
      MemoryContextSwitchTo(outer);
      MemoryContextReset(row_memory_);
    });
  }

  // What a materialized function returns: nothing, the rows are in the store.
  Datum finish() const noexcept { return args_.null_result(); }

 private:
  void put(const NullableValue* values, std::size_t count) const;

  Args args_;
  ReturnSetInfo* result_;
  MemoryContext row_memory_;  // a child of the caller's context, which ends it
};

}  // namespace keypool::pg
