// get_usage_stats: the keys of one provider and how much they were used, as one JSON document.
#include "api/provider_names.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// Keys that look alike when masked are told apart by their id. Users' keys are listed once they
// were used: there may be millions that were not.
constexpr const char* kQuery = R"(
  WITH used AS (
    SELECT o.key_id, o.hint, o.picks, o.requests, o.errors, o.error_rate, o.last_used_at,
           o.key_source, count(*) OVER (PARTITION BY o.hint) > 1 AS ambiguous
    FROM keypool.api_keys_overview o
    WHERE o.provider = $1 AND o.revoked_at IS NULL
      AND (o.key_source <> 'user' OR o.picks + o.requests > 0)
  )
  SELECT jsonb_build_object(
           'provider', $1,
           'total_keys', (SELECT count(*) FROM keypool.api_keys k
                          WHERE k.provider = $1 AND k.revoked_at IS NULL),
           'key_usage', coalesce((
              SELECT jsonb_object_agg(
                       CASE WHEN u.ambiguous THEN u.hint || ' #' || u.key_id ELSE u.hint END,
                       jsonb_build_object('requests', greatest(u.picks, u.requests),
                                          'errors', u.errors,
                                          'last_used', u.last_used_at,
                                          'error_rate', u.error_rate))
              FROM used u), '{}')))";

// get_usage_stats(provider) → {"provider", "total_keys", "key_usage": {hint: {…}}}
Datum get_usage_stats(const pg::Args& args) {
  const std::string provider = ProviderNames().find(args.get<std::string_view>(0)).name;
  std::string document;
  {
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    const pg::Rows rows = session.run(kQuery, provider);
    document = rows.get<pg::Json>(0, 0).text;
  }
  return pg::to_datum(pg::Json{document});
}

}  // namespace

KEYPOOL_FUNCTION(get_usage_stats, get_usage_stats);

}  // namespace keypool::api
