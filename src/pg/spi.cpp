#include "pg/spi.hpp"

#include <string>

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

constexpr std::size_t kMaxParameters = 64;

}  // namespace

Rows::Rows(SPITupleTable* table, std::uint64_t affected) noexcept
    : table_(table), affected_(affected), errors_before_(unsettled_errors()) {}

Rows::Rows(Rows&& other) noexcept
    : table_(other.table_), affected_(other.affected_), errors_before_(other.errors_before_) {
  other.table_ = nullptr;
}

// After an error the rollback frees the rows, and SPI may stand on another level than ours.
Rows::~Rows() {
  if (table_ != nullptr && unsettled_errors() == errors_before_) SPI_freetuptable(table_);
}

NullableValue Rows::at(std::size_t row, int column) const {
  if (row >= size() || column >= table_->tupdesc->natts) {
    throw core::Error(core::ErrorCode::kInternal, "result has no such row or column");
  }
  HeapTuple tuple = table_->vals[row];
  TupleDesc type = table_->tupdesc;
  return call([=] {
    bool is_null = false;
    const Datum datum = SPI_getbinval(tuple, type, column + 1, &is_null);
    return NullableValue{datum, is_null};
  });
}

void Rows::refuse_null(int column) {
  throw core::Error(core::ErrorCode::kInternal,
                    "column " + std::to_string(column + 1) + " is unexpectedly null");
}

Session::Session() : errors_before_(unsettled_errors()) {
  call([] {
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "could not connect to SPI");
  });
}

// After an error inner SPI users may have left their levels on the stack, and SPI_finish would
// close one of theirs; the rollback that must follow closes them all.
Session::~Session() {
  if (unsettled_errors() != errors_before_) return;
  MemoryContext current = CurrentMemoryContext;
  SPI_finish();
  CurrentMemoryContext = current;
}

Rows Session::execute(Mode mode, const char* sql, std::span<const Parameter> parameters) {
  if (parameters.size() > kMaxParameters) {
    throw core::Error(core::ErrorCode::kInternal, "statement has too many parameters");
  }
  Oid types[kMaxParameters];
  Datum values[kMaxParameters];
  char nulls[kMaxParameters];
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    types[i] = parameters[i].type;
    values[i] = parameters[i].value.datum;
    nulls[i] = parameters[i].value.is_null ? 'n' : ' ';
  }
  const int count = static_cast<int>(parameters.size());
  const bool read_only = mode == Mode::kRead;
  call([&] {
    const int outcome =
        SPI_execute_with_args(sql, count, types, values, nulls, read_only, /*tcount=*/0);
    if (outcome < 0) elog(ERROR, "SPI failed: %s", SPI_result_code_string(outcome));
  });
  return Rows(SPI_tuptable, SPI_processed);
}

}  // namespace keypool::pg
