// backfill_requests: what became known of logged requests only later. The steps are those of
// keypool.backfill(), done as the tables' owner.
#include "api/key_write.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// backfill_requests(batch int = 10000) → SETOF (step text, rows bigint)
Datum backfill_requests(const pg::Args& args) {
  require_writable("backfill_requests()");
  const auto batch = args.get<std::int32_t>(0);
  if (batch < 1) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "batch must be at least 1",
                      "It is " + std::to_string(batch) + ".",
                      "It says how many rows to look at in one statement; 10000 suits most.");
  }
  pg::RowSet steps(args);
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.run("SELECT step, rows FROM keypool.backfill($1)", batch);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    steps.add(rows.get<std::string_view>(i, 0), rows.get<std::int64_t>(i, 1));
  }
  return steps.finish();
}

}  // namespace

KEYPOOL_FUNCTION(backfill_requests, backfill_requests);

}  // namespace keypool::api
