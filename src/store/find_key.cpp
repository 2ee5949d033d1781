#include "store/find_key.hpp"

#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

std::optional<std::int64_t> find_key(const core::Digest& fingerprint) {
  const pg::ActAs role(catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT id FROM keypool.api_keys WHERE fingerprint = $1 AND revoked_at IS NULL"
      " ORDER BY key_source <> 'system', id LIMIT 1",
      pg::Bytes{fingerprint});
  if (rows.empty()) return std::nullopt;
  return rows.get<std::int64_t>(0, 0);
}

}  // namespace keypool::store
