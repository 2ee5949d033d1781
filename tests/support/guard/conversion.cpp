// SQL functions that send every type through C++ and back.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::guard_test {
namespace {

// echo(text, int, bigint, float8, bool, numeric, interval, timestamptz, text[], bigint[], jsonb,
//      bytea, oid) → record of the same
Datum echo(const pg::Args& args) {
  return pg::record(
      args, args.optional<std::string_view>(0), args.optional<std::int32_t>(1),
      args.optional<std::int64_t>(2), args.optional<double>(3), args.optional<bool>(4),
      args.optional<pg::Nanos>(5), args.optional<pg::Duration>(6), args.optional<pg::Instant>(7),
      args.optional<std::vector<std::string_view>>(8), args.optional<std::vector<std::int64_t>>(9),
      args.optional<pg::Json>(10), args.optional<pg::Bytes>(11), args.optional<Oid>(12));
}

// nanos(numeric) → bigint
Datum nanos(const pg::Args& args) { return pg::to_datum(args.get<pg::Nanos>(0).value); }

// micros(interval) → bigint
Datum micros(const pg::Args& args) { return pg::to_datum(args.get<pg::Duration>(0).value); }

// spread(texts text[]) → TABLE(position int, item text): odd positions NULL
Datum spread(const pg::Args& args) {
  pg::RowSet rows(args);
  std::int32_t position = 0;
  for (std::string_view text : args.get<std::vector<std::string_view>>(0)) {
    const bool odd = ++position % 2 != 0;
    rows.add(position, odd ? std::nullopt : std::optional(text));
  }
  return rows.finish();
}

// wrong_width() → TABLE(a int, b int): answers one column, which must be an error
Datum wrong_width(const pg::Args& args) {
  pg::RowSet rows(args);
  rows.add(std::int32_t{1});
  return rows.finish();
}

// bound(text, bigint) → text: both as parameters, NULL included, and a literal
Datum bound(const pg::Args& args) {
  pg::Session session;
  const pg::Rows rows =
      session.run("SELECT coalesce($1, 'null') || '/' || coalesce($2::text, 'null') || '/' || $3",
                  args.optional<std::string_view>(0), args.optional<std::int64_t>(1), "literal");
  return pg::to_datum(rows.get<std::string_view>(0, 0));
}

}  // namespace

KEYPOOL_FUNCTION(echo, echo);
KEYPOOL_FUNCTION(nanos, nanos);
KEYPOOL_FUNCTION(micros, micros);
KEYPOOL_FUNCTION(spread, spread);
KEYPOOL_FUNCTION(wrong_width, wrong_width);
KEYPOOL_FUNCTION(bound, bound);

}  // namespace keypool::guard_test
