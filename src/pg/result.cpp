#include "pg/result.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

// More than any function of ours has columns; keeps tuples off the heap.
constexpr std::size_t kMaxColumns = 64;

struct Columns {
  Datum values[kMaxColumns];
  bool nulls[kMaxColumns];
};

// Inside pg::call.
void spread(Columns& columns, TupleDesc type, const NullableValue* values, std::size_t count) {
  if (count > kMaxColumns || count != static_cast<std::size_t>(type->natts)) {
    elog(ERROR, "function made %zu columns, its declaration has %d", count, type->natts);
  }
  for (std::size_t i = 0; i < count; ++i) {
    columns.values[i] = values[i].datum;
    columns.nulls[i] = values[i].is_null;
  }
}

}  // namespace

namespace detail {

TupleDesc row_type(FunctionCallInfo call_info) {
  if (call_info->flinfo->fn_extra == nullptr) {
    MemoryContext outer = MemoryContextSwitchTo(call_info->flinfo->fn_mcxt);
    TupleDesc type = nullptr;
    if (get_call_result_type(call_info, nullptr, &type) != TYPEFUNC_COMPOSITE) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("function returning record called in context that cannot accept "
                             "type record")));
    }
    call_info->flinfo->fn_extra = BlessTupleDesc(type);
    MemoryContextSwitchTo(outer);
  }
  return static_cast<TupleDesc>(call_info->flinfo->fn_extra);
}

Datum form_record(TupleDesc type, const NullableValue* values, std::size_t count) {
  Columns columns;
  spread(columns, type, values, count);
  return HeapTupleGetDatum(heap_form_tuple(type, columns.values, columns.nulls));
}

}  // namespace detail

RowSet::RowSet(const Args& args) : args_(args), result_(nullptr), row_memory_(nullptr) {
  FunctionCallInfo call_info = args.call_info();
  row_memory_ = call([=] {
    InitMaterializedSRF(call_info, 0);
    return AllocSetContextCreate(CurrentMemoryContext, "keypool row", ALLOCSET_DEFAULT_SIZES);
  });
  result_ = reinterpret_cast<ReturnSetInfo*>(call_info->resultinfo);
}

void RowSet::put(const NullableValue* values, std::size_t count) const {
  Columns columns;
  spread(columns, result_->setDesc, values, count);
  tuplestore_putvalues(result_->setResult, result_->setDesc, columns.values, columns.nulls);
}

}  // namespace keypool::pg
