#include "pg/row_batch.hpp"

#include "core/error.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "executor/tstoreReceiver.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "utils/queryenvironment.h"
}

namespace keypool::pg {

namespace {

constexpr std::size_t kMaxParameters = 8;
constexpr int kMemoryKilobytes = 32 * 1024;

}  // namespace

Cursor::Cursor(const char* sql, std::span<const Parameter> parameters)
    : portal_(nullptr), errors_before_(unsettled_errors()) {
  if (parameters.size() > kMaxParameters) {
    throw core::Error(core::ErrorCode::kInternal, "cursor has too many parameters");
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
  // The portal outlives the session that opens it.
  const Session session;
  portal_ = call([&] {
    return SPI_cursor_open_with_args(nullptr, sql, count, types, values, nulls, /*read_only=*/true,
                                     CURSOR_OPT_NO_SCROLL);
  });
}

Cursor::~Cursor() {
  if (unsettled_errors() == errors_before_) SPI_cursor_close(portal_);
}

RowBatch::RowBatch(const Cursor& cursor, std::size_t most) : errors_before_(unsettled_errors()) {
  Portal portal = cursor.portal_;
  call([&] {
    rows_ = tuplestore_begin_heap(/*randomAccess=*/false, /*interXact=*/false, kMemoryKilobytes);
    type_ = CreateTupleDescCopy(portal->tupDesc);
    DestReceiver* receiver = CreateTuplestoreDestReceiver();
    // A value out of line is fetched now: whoever reads the batch may not read its table.
    SetTuplestoreDestReceiverParams(receiver, rows_, CurrentMemoryContext, /*detoast=*/true,
                                    nullptr, nullptr);
    PortalRunFetch(portal, FETCH_FORWARD, static_cast<long>(most), receiver);
    receiver->rDestroy(receiver);
    size_ = static_cast<std::size_t>(tuplestore_tuple_count(rows_));
  });
}

RowBatch::~RowBatch() {
  if (unsettled_errors() == errors_before_) tuplestore_end(rows_);
}

void RowBatch::show_to(Session&, const char* name) const {
  call([this, name] {
    auto* relation =
        static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
    relation->md.name = const_cast<char*>(name);
    relation->md.reliddesc = InvalidOid;
    relation->md.tupdesc = type_;
    relation->md.enrtype = ENR_NAMED_TUPLESTORE;
    relation->md.enrtuples = static_cast<double>(size_);
    relation->reldata = rows_;
    const int outcome = SPI_register_relation(relation);
    if (outcome != SPI_OK_REL_REGISTER)
      elog(ERROR, "SPI failed: %s", SPI_result_code_string(outcome));
  });
}

}  // namespace keypool::pg
