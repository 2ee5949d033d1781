#include "store/tracking_figures.hpp"

#include "core/request_tally.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

constexpr const char* kBuckets = R"(
SELECT coalesce(sum(p.requests), 0)::bigint, coalesce(sum(p.with_key), 0)::bigint,
       coalesce(sum(p.anonymous), 0)::bigint, coalesce(sum(p.user_without_key), 0)::bigint
FROM keypool.tracking_parts p
WHERE p.bucket BETWEEN $1 AND $2)";

// From $1 to $4; whole buckets are those from $2 to $3. The last one counts whole, less the few
// rows that are newer than the end. A month of partitions costs nothing: all but those concerned
// are pruned when the statement is planned.
constexpr const char* kExact = R"(
WITH
  identities AS NOT MATERIALIZED (
    SELECT r.created_at, 1::bigint AS requests,
           (r.api_key_id IS NOT NULL)::int::bigint AS with_key,
           r.is_anonymous::int::bigint AS anonymous,
           (r.api_key_id IS NULL AND r.user_id IS NOT NULL)::int::bigint AS user_without_key
    FROM keypool.chat_completion_requests r
  ),
  parts AS (
    SELECT p.requests, p.with_key, p.anonymous, p.user_without_key
    FROM keypool.tracking_parts p
    WHERE p.bucket BETWEEN $2 AND $3
    UNION ALL
    SELECT i.requests, i.with_key, i.anonymous, i.user_without_key
    FROM identities i
    WHERE i.created_at >= $1 AND i.created_at < $2
    UNION ALL
    SELECT -i.requests, -i.with_key, -i.anonymous, -i.user_without_key
    FROM identities i
    WHERE i.created_at > $4 AND i.created_at < $5
  )
SELECT coalesce(sum(requests), 0)::bigint, coalesce(sum(with_key), 0)::bigint,
       coalesce(sum(anonymous), 0)::bigint, coalesce(sum(user_without_key), 0)::bigint,
       (SELECT coalesce(sum(u.unpriced), 0)::bigint
        FROM keypool.usage_parts u
        WHERE u.day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND ($4 AT TIME ZONE 'UTC')::date)
FROM parts)";

constexpr const char* kDays = R"(
SELECT to_char(p.bucket::date, 'YYYY-MM-DD'), current_date - p.bucket::date,
       sum(p.requests)::bigint, sum(p.with_key)::bigint, sum(p.anonymous)::bigint,
       sum(p.user_without_key)::bigint
FROM keypool.tracking_parts p
WHERE p.bucket >= (current_date + 1 - $1)::timestamptz
  AND p.bucket < (current_date + 1)::timestamptz
GROUP BY p.bucket::date
HAVING sum(p.requests) > 0
ORDER BY p.bucket::date DESC)";

core::TrackingFigures figures_at(const pg::Rows& rows, std::size_t row, int column) {
  return {.requests = rows.get<std::int64_t>(row, column),
          .with_key = rows.get<std::int64_t>(row, column + 1),
          .anonymous = rows.get<std::int64_t>(row, column + 2),
          .user_without_key = rows.get<std::int64_t>(row, column + 3)};
}

}  // namespace

core::TrackingFigures tracked_about(core::Micros first, core::Micros last) {
  pg::Session session;
  const pg::Rows rows = session.read(kBuckets, pg::Instant{core::request_bucket(first)},
                                     pg::Instant{core::request_bucket(last)});
  return figures_at(rows, 0, 0);
}

ExactTracking tracked_between(core::Micros start, core::Micros end) {
  const core::Micros first = core::request_bucket(start + core::kRequestBucket - 1);
  const core::Micros last = core::request_bucket(end);
  pg::Session session;
  const pg::Rows rows =
      session.read(kExact, pg::Instant{start}, pg::Instant{first}, pg::Instant{last},
                   pg::Instant{end}, pg::Instant{last + core::kRequestBucket});
  return {figures_at(rows, 0, 0), rows.get<std::int64_t>(0, 4)};
}

std::vector<core::TrackingDay> tracked_days(std::int32_t days) {
  pg::Session session;
  const pg::Rows rows = session.read(kDays, days);
  std::vector<core::TrackingDay> found;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    found.push_back(
        {rows.get<std::string>(row, 0), rows.get<std::int32_t>(row, 1), figures_at(rows, row, 2)});
  }
  return found;
}

}  // namespace keypool::store
