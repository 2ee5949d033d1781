#include "worker/watched_keys.hpp"

#include "core/pool.hpp"
#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

#define KEYPOOL_WATCHED_COLUMNS                                                 \
  "SELECT k.id, k.provider, k.key_source, k.owner, k.envelope,"                 \
  " coalesce(k.rotated_at, k.created_at)::text,"                                \
  " CASE WHEN k.revoked_at IS NOT NULL"                                         \
  " THEN CASE k.revoke_reason WHEN 'expired' THEN 'expired' ELSE 'revoked' END" \
  " WHEN NOT k.enabled OR NOT p.enabled THEN 'disabled'"                        \
  " WHEN k.expires_at <= now() THEN 'expired' ELSE '' END,"                     \
  " p.auth_style, p.base_url, k.base_url, p.check_path"                         \
  " FROM keypool.api_keys k JOIN keypool.providers p ON p.name = k.provider "

std::optional<std::string> optional_text(const pg::Rows& rows, std::size_t row, int column) {
  const auto text = rows.optional<std::string_view>(row, column);
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

WatchedKey watched_key(const pg::Rows& rows, std::size_t row) {
  WatchedKey key;
  key.id = rows.get<std::int64_t>(row, 0);
  key.provider = rows.get<std::string_view>(row, 1);
  key.owner_kind = rows.get<std::string_view>(row, 2);
  key.owner = rows.get<std::string_view>(row, 3);
  if (const auto envelope = rows.optional<pg::Bytes>(row, 4)) {
    key.envelope.assign(envelope->data.begin(), envelope->data.end());
  }
  key.version = rows.get<std::string_view>(row, 5);
  key.out = rows.get<std::string_view>(row, 6);
  key.target = {.auth_style = rows.get<std::string>(row, 7),
                .provider_url = optional_text(rows, row, 8),
                .key_url = optional_text(rows, row, 9),
                .check_path = optional_text(rows, row, 10)};
  return key;
}

std::vector<WatchedKey> watched_keys(const pg::Rows& rows) {
  std::vector<WatchedKey> keys;
  keys.reserve(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) keys.push_back(watched_key(rows, row));
  return keys;
}

std::vector<std::int64_t> users_keys_in_pool() {
  std::vector<std::int64_t> ids;
  const std::uint32_t database = store::current_database().oid.load();
  const pg::SharedGuard guard(store::pool_lock());
  const core::Pool& pool = store::pool();
  for (std::uint32_t i = 0; i < pool.group_limit(); ++i) {
    const core::Group& group = pool.group(i);
    if (!group.used || group.database != database || group.kind != core::OwnerKind::kUser) continue;
    for (const core::Slot& slot : pool.slots_of(group)) ids.push_back(slot.config.key_id);
  }
  return ids;
}

}  // namespace

DueKeys due_keys(core::Micros interval) {
  const std::vector<std::int64_t> users = users_keys_in_pool();
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT k.id,"
      " coalesce(s.cooldown_until <= now(), true) AND coalesce(s.last_checked_at <= now() + $2 / 2"
      " - $2 * CASE WHEN s.state = 'unhealthy'"
      " AND s.failure_class IN ('quota', 'region_blocked') THEN 12 ELSE 1 END, true)"
      " FROM keypool.api_keys k JOIN keypool.providers p ON p.name = k.provider"
      " LEFT JOIN keypool.key_state s ON s.key_id = k.id"
      " WHERE k.id IN (SELECT m.id FROM keypool.api_keys m"
      " WHERE m.key_source <> 'user' AND m.revoked_at IS NULL UNION ALL SELECT unnest($1))"
      " AND k.revoked_at IS NULL AND k.enabled AND (k.expires_at > now()) IS NOT FALSE"
      " AND p.enabled AND p.health_check AND p.check_path IS NOT NULL",
      users, pg::Duration{interval});
  DueKeys keys;
  keys.watched = static_cast<std::int64_t>(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (rows.get<bool>(row, 1)) keys.due.push_back(rows.get<std::int64_t>(row, 0));
  }
  return keys;
}

std::vector<WatchedKey> read_keys(const std::vector<std::int64_t>& ids) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return watched_keys(session.read(KEYPOOL_WATCHED_COLUMNS "WHERE k.id = ANY ($1)", ids));
}

std::vector<WatchedKey> read_keys_after(std::int64_t id, const std::optional<std::string>& provider,
                                        std::size_t most) {
  const pg::ActAs owner(store::catalog().owner);
  pg::Session session;
  return watched_keys(session.read(
      KEYPOOL_WATCHED_COLUMNS
      "WHERE k.id > $1 AND ($2 IS NULL OR k.provider = $2) AND k.revoked_at IS NULL AND k.enabled"
      " AND (k.expires_at > now()) IS NOT FALSE AND p.enabled ORDER BY k.id LIMIT $3",
      id, provider, static_cast<std::int64_t>(most)));
}

#undef KEYPOOL_WATCHED_COLUMNS

}  // namespace keypool::worker
