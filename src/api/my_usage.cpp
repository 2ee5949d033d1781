// my_usage: an end user's requests by day, from the rollups and the tail that is not in them yet.
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/keypool_user.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {
namespace {

constexpr std::int32_t kMostDays = 366;

// Sources as keypool.key_source_usage names them. Which key of an organization or the system served
// a request is not for its user to know.
constexpr const char* kMyUsage = R"(
  SELECT p.day, p.provider, p.model,
         coalesce(p.key_source, k.key_source,
                  CASE WHEN p.is_anonymous THEN 'anonymous' ELSE 'unknown' END) AS key_source,
         sum(p.requests)::bigint, sum(p.errors)::bigint,
         sum(p.input_tokens + p.output_tokens)::bigint, sum(p.input_tokens)::bigint,
         sum(p.output_tokens)::bigint, sum(p.cached_tokens)::bigint,
         CASE WHEN sum(p.requests) > sum(p.unpriced) THEN sum(p.cost_nano)::bigint END,
         sum(p.unpriced)::bigint
  FROM keypool.usage_parts p
  LEFT JOIN keypool.api_keys k ON k.id = p.api_key_id AND p.key_source IS NULL
  WHERE p.user_id = $1 AND p.day > (statement_timestamp() AT TIME ZONE 'UTC')::date - $2
  GROUP BY p.day, 2, 3, 4
  HAVING sum(p.requests) > 0
  ORDER BY p.day DESC, 2, 3, 4)";

std::int32_t checked(std::int32_t days) {
  if (days >= 1 && days <= kMostDays) return days;
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    "days must be between 1 and " + std::to_string(kMostDays));
}

void add_row(pg::RowSet& answer, const pg::Rows& rows, std::size_t i) {
  const auto text = [&](int column) { return rows.optional<std::string_view>(i, column); };
  const auto count = [&](int column) { return rows.get<std::int64_t>(i, column); };
  const auto nanos = rows.optional<std::int64_t>(i, 10);
  answer.add(rows.get<pg::Day>(i, 0), text(1), text(2), text(3), count(4), count(5), count(6),
             count(7), count(8), count(9), nanos ? std::optional(pg::Nanos{*nanos}) : std::nullopt,
             count(11));
}

// my_usage(days int) → SETOF (day, provider, model, key_source, …), for nobody none
Datum my_usage(const pg::Args& args) {
  const std::int32_t days = checked(args.get<std::int32_t>(0));
  pg::RowSet answer(args);
  const std::optional<std::string> user = store::keypool_user();
  if (!user) return answer.finish();
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(kMyUsage, *user, days);
  for (std::size_t i = 0; i < rows.size(); ++i) add_row(answer, rows, i);
  return answer.finish();
}

}  // namespace

KEYPOOL_FUNCTION(my_usage, my_usage);

}  // namespace keypool::api
