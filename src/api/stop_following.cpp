// keypool.stop_following: takes away the trigger that import_requests(…, follow => true) has left.
#include <optional>
#include <string>

#include "api/key_write.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/import_copy.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

struct Followed {
  std::int64_t import_id;
  std::string drop_trigger;
  store::ImportReading reading;
};

std::optional<Followed> find(Oid source) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT id, columns, state, format('DROP TRIGGER IF EXISTS keypool_follow ON %s', source)"
      " FROM keypool.request_imports WHERE source = $1 AND follow FOR UPDATE",
      source);
  if (rows.empty()) return std::nullopt;
  if (rows.get<std::string_view>(0, 2) != "done") {
    throw core::Error(core::ErrorCode::kNotReady, "the import is not complete yet",
                      "Which rows the trigger has copied could not be told from the others later.",
                      "Call import_requests() once more, so that it is finished, then this.");
  }
  return Followed{rows.get<std::int64_t>(0, 0), rows.get<std::string>(0, 3),
                  store::ImportReading::planned(source, rows.get<pg::Json>(0, 1).text)};
}

// stop_following(source regclass) → bool: whether it was followed
Datum stop_following(const pg::Args& args) {
  require_writable("keypool.stop_following()");
  const auto source = args.get<Oid>(0);
  const std::optional<Followed> followed = find(source);
  if (!followed) return pg::to_datum(false);
  store::SourceKey last;
  {
    // Waits for everybody who writes to the table and takes the owner's rights. What can be seen
    // then has been copied: an import goes on after the last key.
    const store::ImportSettings settings;
    pg::Session session;
    session.run(followed->drop_trigger.c_str());
    const pg::LatestSnapshot latest;
    if (followed->reading.has_key()) last = followed->reading.highest_key();
  }
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  session.run(
      "UPDATE keypool.request_imports SET follow = false, reached = coalesce($2, reached),"
      " up_to = $2, updated_at = clock_timestamp() WHERE id = $1",
      followed->import_id, store::views(last));
  return pg::to_datum(true);
}

}  // namespace

KEYPOOL_FUNCTION(stop_following, stop_following);

}  // namespace keypool::api
