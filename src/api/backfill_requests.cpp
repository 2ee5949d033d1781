// backfill_requests: what became known of logged requests only later. The steps are those of
// keypool.backfill(), done as the tables' owner.
#include "api/key_write.hpp"
#include "api/log_steps.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// backfill_requests(batch int = 10000) → SETOF (step text, rows bigint)
Datum backfill_requests(const pg::Args& args) {
  require_writable("backfill_requests()");
  const auto batch = args.get<std::int32_t>(0);
  check_batch(batch);
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return answer_steps(args, session.run("SELECT step, rows FROM keypool.backfill($1)", batch));
}

}  // namespace

KEYPOOL_FUNCTION(backfill_requests, backfill_requests);

}  // namespace keypool::api
