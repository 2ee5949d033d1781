#include "api/import_inquiry.hpp"

#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/pg_inherits.h"
#include "storage/lmgr.h"
}

namespace keypool::api {

namespace {

// The names that the statements leave to the search path are all the server's.
class ServerNames : pg::ScopedSettings {
 public:
  ServerNames() : ScopedSettings({{"search_path", "pg_catalog, pg_temp"}}) {}
};

}  // namespace

void await_writers(Oid source) {
  pg::call([source] {
    ListCell* cell;
    foreach (cell, find_all_inheritors(source, AccessShareLock, nullptr)) {
      LOCKTAG tag;
      SET_LOCKTAG_RELATION(tag, MyDatabaseId, lfirst_oid(cell));
      WaitForLockers(tag, ShareLock, false);
    }
  });
}

ImportRequest import_request(const pg::Args& args) {
  ImportRequest request = {.source = args.get<Oid>(0), .follow = args.get<bool>(2)};
  const auto columns = args.optional<pg::Json>(1);
  const char* importer = pg::call([] { return GetUserNameFromId(GetUserId(), false); });
  request.importer = importer;
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read(
      "SELECT for_worker, columns_used, reached, followed_from, settled, copied, refused,"
      " $1::regclass::text"
      " FROM keypool.prepare_import($1::regclass, $2::name, $3, $4)",
      request.source, request.importer, columns, request.follow);
  request.for_worker = rows.get<bool>(0, 0);
  request.columns = std::string(rows.get<pg::Json>(0, 1).text);
  request.reached = store::source_key(rows, 0, 2);
  request.followed_from = store::source_key(rows, 0, 3);
  request.settled = rows.get<bool>(0, 4);
  request.copied = rows.get<std::int64_t>(0, 5);
  request.refused = rows.get<std::int64_t>(0, 6);
  request.name = rows.get<std::string>(0, 7);
  request.other_columns = columns.has_value();
  return request;
}

ImportFindings find_out(const ImportRequest& request, const store::ImportReading& reading) {
  const store::ImportSettings settings;
  const ServerNames names;
  ImportFindings found = find_own_keys(reading);
  {
    const pg::LatestSnapshot latest;
    found.up_to = request.followed_from ? request.followed_from : reading.highest_key();
  }
  if (!request.follow) await_writers(request.source);
  const pg::LatestSnapshot latest;
  found.survey = reading.survey(request.reached, found.up_to);
  // No row is asked for, but the right to read every column is.
  const pg::Cursor readable = reading.rows(request.reached, found.up_to, 0);
  return found;
}

ImportFindings find_own_keys(const store::ImportReading& reading) {
  const ServerNames names;
  const pg::LatestSnapshot latest;
  return {.own_keys = reading.own_keys()};
}

std::string import_order(const ImportRequest& request, const ImportFindings& found) {
  pg::Session session;
  const pg::Rows rows =
      session.run("SELECT keypool.import_order($1::regclass, $2::name, $3, $4, $5, $6, $7::date[])",
                  request.source, request.importer, pg::Json{request.columns}, request.follow,
                  store::views(found.up_to), found.survey.rows, found.survey.days);
  return std::string(rows.get<pg::Json>(0, 0).text);
}

}  // namespace keypool::api
