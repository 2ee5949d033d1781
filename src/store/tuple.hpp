// A tuple of one of our tables, taken apart: typed access by column number, NULL as a default.
//
// Postgres calls throughout (detoasting): only inside pg::call. Views point into palloc'd memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

class Tuple {
 public:
  Tuple(HeapTuple tuple, TupleDesc description) {
    // The table may have more columns than this release knows, after an upgrade that is half done.
    Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * description->natts));
    bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * description->natts));
    heap_deform_tuple(tuple, description, values, nulls);
    values_ = values - 1;
    nulls_ = nulls - 1;
  }

  bool is_null(int column) const { return nulls_[column]; }
  std::int32_t int4(int column) const {
    return nulls_[column] ? 0 : DatumGetInt32(values_[column]);
  }
  std::int64_t int8(int column) const {
    return nulls_[column] ? 0 : DatumGetInt64(values_[column]);
  }
  double float8(int column) const { return nulls_[column] ? 0 : DatumGetFloat8(values_[column]); }
  bool boolean(int column) const { return !nulls_[column] && DatumGetBool(values_[column]); }
  core::Micros time(int column, core::Micros if_null) const {
    return nulls_[column] ? if_null : DatumGetTimestampTz(values_[column]);
  }
  Datum datum(int column) const { return values_[column]; }
  // Empty for NULL. Copied, so that it outlives the tuple's buffer.
  std::string_view text(int column) const {
    if (nulls_[column]) return {};
    struct varlena* value = PG_DETOAST_DATUM_COPY(values_[column]);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
  }

 private:
  Datum* values_;
  bool* nulls_;
};

}  // namespace keypool::store
