// keypool.expire_keys(): the end of keys whose time is over. The worker calls it; it stands here,
// and not there, because the guard of the secret columns does.
#include "api/key_change.hpp"
#include "api/key_write.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/audit.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// expire_keys(most int) → int: how many were destroyed. Those that somebody is changing just now
// are passed over: he may be giving them more time.
Datum expire_keys(const pg::Args& args) {
  require_writable("keypool.expire_keys()");
  const auto most = args.get<std::int32_t>(0);
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows due = session.run(
      "SELECT id, provider FROM keypool.api_keys"
      " WHERE revoked_at IS NULL AND expires_at <= clock_timestamp()"
      " ORDER BY expires_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
      most);
  for (std::size_t row = 0; row < due.size(); ++row) {
    const auto id = due.get<std::int64_t>(row, 0);
    destroy_secret(session, id, "expired");
    store::note_audit(
        {.action = "expire_key", .key_id = id, .provider = due.get<std::string_view>(row, 1)});
  }
  return pg::to_datum(static_cast<std::int32_t>(due.size()));
}

}  // namespace

KEYPOOL_FUNCTION(expire_keys, expire_keys);

}  // namespace keypool::api
