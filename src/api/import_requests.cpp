// import_requests: requests that another table holds, copied into the log.
//
// By the worker, in batches that are committed one by one, where that can be: when the caller has
// written nothing yet, so that all he could mean is committed, and the table has a key by which to
// go on. Otherwise here, in the caller's transaction and all or nothing.
#include <string>

#include "api/import_inquiry.hpp"
#include "api/key_write.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/import_channel.hpp"
#include "store/import_copy.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/rls.h"
}

namespace keypool::api {

namespace {

// Each is a subtransaction, of which a transaction should not have too many.
constexpr std::int64_t kRowsAtOnce = 20'000;

// ---- what the caller is told ----

void tell(int level, const std::string& message, const std::string& detail, const char* hint) {
  const char* what = message.c_str();
  const char* more = detail.c_str();
  pg::call([=] {
    ereport(level,
            (errmsg_internal("%s", what), errdetail_internal("%s", more), errhint("%s", hint)));
  });
}

// As the tables' owner.
void tell_unknown_keys(const ImportRequest& request, const std::vector<std::int64_t>& ids) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT count(*) FROM unnest($1) AS i (id)"
      " WHERE NOT EXISTS (SELECT FROM keypool.api_keys k WHERE k.id = i.id)",
      ids);
  const auto unknown = rows.get<std::int64_t>(0, 0);
  if (unknown == 0) return;
  tell(NOTICE,
       std::to_string(unknown) + " of " + std::to_string(ids.size()) + " key ids in " +
           request.name + " are not in keypool.api_keys",
       "Their requests count as made with a key, though with none that is known here.",
       "Where they are ids of another table, give a map from them to ids of keypool.api_keys.");
}

// Rows copied by this call.
std::int64_t sum_up(const ImportRequest& request) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read(
      "SELECT i.rows_copied, i.rows_refused,"
      " (SELECT r.reason FROM keypool.request_import_refusals r"
      "  WHERE r.import_id = i.id AND NOT r.followed ORDER BY r.id DESC LIMIT 1)"
      " FROM keypool.request_imports i WHERE i.source = $1",
      request.source);
  if (rows.empty()) return 0;  // somebody has deleted it
  const std::int64_t refused = rows.get<std::int64_t>(0, 1) - request.refused;
  if (refused > 0) {
    tell(WARNING,
         std::to_string(refused) + (refused == 1 ? " row of " : " rows of ") + request.name +
             " could not be copied",
         "One of them: " + rows.optional<std::string>(0, 2).value_or("unknown") + ".",
         "See keypool.request_import_refusals, which has their keys and the reasons.");
  }
  return rows.get<std::int64_t>(0, 0) - request.copied;
}

// ---- the two ways ----

bool worker_can(const ImportRequest& request) {
  if (!request.for_worker || TransactionIdIsValid(GetTopTransactionIdIfAny())) return false;
  // The worker reads all of a table or nothing: which rows a policy lets through may depend on what
  // only this session knows.
  const Oid source = request.source;
  const bool filtered =
      pg::call([source] { return check_enable_rls(source, InvalidOid, true) == RLS_ENABLED; });
  return !filtered && store::import_worker_runs();
}

void copy_by_worker(const ImportRequest& request, const store::ImportReading& reading) {
  const ImportFindings found = find_out(request, reading);
  std::string work;
  {
    const pg::ActAs owner(store::catalog().owner);
    tell_unknown_keys(request, found.own_keys);
    work = import_order(request, found);
  }
  if (found.survey.rows > std::int64_t{0}) {
    tell(NOTICE,
         "the background worker copies " + std::to_string(*found.survey.rows) +
             (*found.survey.rows == 1 ? " row of " : " rows of ") + request.name,
         "Each batch is committed when it is copied; see keypool.import_progress.",
         "Should this call be cancelled, the next one goes on from where it was.");
  }
  store::ImportOrder order(work);
  order.wait();
}

struct Begun {
  std::int64_t import_id;
  store::SourceKey last_key;
};

// The import's row is written, and locked, for as long as this transaction lasts.
Begun begin_here(const ImportRequest& request, const ImportFindings& found) {
  Begun here = {};
  std::string make_trigger;
  {
    const pg::ActAs owner(store::catalog().owner);
    tell_unknown_keys(request, found.own_keys);
    pg::Session session;
    const std::string work = import_order(request, found);
    const pg::Rows begun =
        session.run("SELECT import_id, last_key, make_trigger FROM keypool.begin_import($1, false)",
                    pg::Json{work});
    here = {begun.get<std::int64_t>(0, 0), store::source_key(begun, 0, 1)};
    make_trigger = begun.optional<std::string>(0, 2).value_or("");
    if (make_trigger.empty()) return here;
    session.run("UPDATE keypool.request_imports SET follow = true WHERE id = $1", here.import_id);
  }
  pg::Session session;
  session.run(make_trigger.c_str());
  return here;
}

void copy_here(const ImportRequest& request, const store::ImportReading& reading) {
  const Begun begun = begin_here(request, find_own_keys(reading));
  await_writers(request.source);
  // Only now: what the trigger does not take is seen.
  const pg::LatestSnapshot latest;
  std::optional<store::ImportCopy> copy;
  const pg::Cursor cursor = reading.rows(request.reached, begun.last_key, std::nullopt);
  for (bool more = true; more;) {
    const pg::RowBatch batch(cursor, kRowsAtOnce);
    const pg::ActAs owner(store::catalog().owner);
    if (!copy) copy.emplace(begun.import_id);
    if (batch.size() != 0) copy->take(batch);
    more = batch.size() == kRowsAtOnce;
  }
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  session.run("SELECT keypool.finish_import($1)", begun.import_id);
}

void change_columns(const ImportRequest& request) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  session.run("SELECT keypool.change_import($1::regclass, $2)", request.source,
              pg::Json{request.columns});
}

// import_requests(source regclass, columns jsonb = NULL, follow bool = false)
Datum import_requests(const pg::Args& args) {
  require_writable("import_requests()");
  const ImportRequest request = import_request(args);
  if (request.settled) {
    if (request.other_columns) change_columns(request);
    return pg::to_datum(std::int64_t{0});
  }
  std::optional<store::ImportReading> reading;
  {
    const pg::ActAs owner(store::catalog().owner);
    reading = store::ImportReading::planned(request.source, request.columns);
  }
  if (worker_can(request)) {
    copy_by_worker(request, *reading);
  } else {
    copy_here(request, *reading);
  }
  return pg::to_datum(sum_up(request));
}

}  // namespace

KEYPOOL_FUNCTION(import_requests, import_requests);

}  // namespace keypool::api
