#include "store/key_base_url.hpp"

#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

std::string key_base_url(std::int64_t key_id) {
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read("SELECT base_url FROM keypool.api_keys WHERE id = $1", key_id);
  if (rows.empty()) return {};
  return rows.optional<std::string>(0, 0).value_or("");
}

}  // namespace keypool::store
