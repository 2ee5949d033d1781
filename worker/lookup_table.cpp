#include "worker/lookup_table.hpp"

#include <string_view>

#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

// As the partial index chat_completion_requests_lookup has it; and a row that says it is anonymous
// may not be given a key.
#define KEYPOOL_WAITS                                          \
  "r.api_key_id IS NULL AND r.api_key_fingerprint IS NOT NULL" \
  " AND r.lookup_status IS NULL AND NOT r.is_anonymous"

constexpr const char* kRead =
    "SELECT r.id, encode(r.api_key_fingerprint, 'hex')"
    " FROM keypool.chat_completion_requests r WHERE " KEYPOOL_WAITS " LIMIT $1";

constexpr const char* kFind =
    "SELECT f.number, k.id, k.key_source"
    " FROM unnest($1) WITH ORDINALITY AS f (fingerprint, number)"
    " CROSS JOIN LATERAL ("
    "  SELECT a.id, a.key_source FROM keypool.api_keys a"
    "  WHERE a.fingerprint = decode(f.fingerprint, 'hex') AND a.revoked_at IS NULL"
    "  ORDER BY a.key_source <> 'system', a.id LIMIT 1) AS k";

constexpr const char* kSettle =
    "WITH mine AS ("
    " SELECT r.id, r.created_at, n.key_id, n.key_source, n.attempts"
    " FROM unnest($1, $2, $3, $4) AS n (id, key_id, key_source, attempts)"
    " JOIN keypool.chat_completion_requests r ON r.id = n.id WHERE " KEYPOOL_WAITS
    " FOR UPDATE OF r SKIP LOCKED),"
    " settled AS ("
    " UPDATE keypool.chat_completion_requests r"
    " SET api_key_id = nullif(m.key_id, 0), key_source = coalesce(nullif(m.key_source, ''),"
    " r.key_source), lookup_attempts = least(m.attempts, 32767),"
    " lookup_status = CASE WHEN m.key_id <> 0 THEN 'found' ELSE 'failed' END"
    " FROM mine m WHERE r.id = m.id AND r.created_at = m.created_at"
    " RETURNING r.lookup_status)"
    " SELECT count(*) FILTER (WHERE lookup_status = 'found'),"
    " count(*) FILTER (WHERE lookup_status = 'failed') FROM settled";

#undef KEYPOOL_WAITS

}  // namespace

std::vector<WaitingRow> read_waiting_rows(std::size_t most) {
  pg::Session session;
  const pg::Rows rows = session.run(kRead, static_cast<std::int64_t>(most));
  std::vector<WaitingRow> waiting;
  waiting.reserve(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    waiting.push_back({rows.get<std::int64_t>(row, 0), rows.get<std::string>(row, 1)});
  }
  return waiting;
}

std::vector<FoundKey> find_keys(const std::vector<std::string>& fingerprints) {
  const std::vector<std::string_view> texts(fingerprints.begin(), fingerprints.end());
  pg::Session session;
  const pg::Rows rows = session.run(kFind, texts);
  std::vector<FoundKey> keys(fingerprints.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto number = static_cast<std::size_t>(rows.get<std::int64_t>(row, 0));
    keys[number - 1] = {rows.get<std::int64_t>(row, 1), rows.get<std::string>(row, 2)};
  }
  return keys;
}

SettledRows settle_rows(const DueLookups& lookups, const std::vector<FoundKey>& keys) {
  std::vector<std::int64_t> ids, key_ids, attempts;
  std::vector<std::string_view> sources;
  for (const DueLookup& row : lookups.rows) {
    const FoundKey& key = keys[row.fingerprint];
    if (key.id == 0 && !row.last) continue;
    ids.push_back(row.id);
    key_ids.push_back(key.id);
    sources.push_back(key.source);
    attempts.push_back(row.attempt);
  }
  if (ids.empty()) return {};
  pg::Session session;
  const pg::Rows rows = session.run(kSettle, ids, key_ids, sources, attempts);
  return {static_cast<std::uint64_t>(rows.get<std::int64_t>(0, 0)),
          static_cast<std::uint64_t>(rows.get<std::int64_t>(0, 1))};
}

}  // namespace keypool::worker
