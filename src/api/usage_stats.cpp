// get_usage_stats: the keys of one provider and how much they were used, as one JSON document.
#include "core/unknown_provider.hpp"
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
  WITH asked AS (
    SELECT p.name FROM keypool.providers p
    WHERE p.name = lower($1) OR lower($1) = ANY (p.aliases)
    ORDER BY p.name <> lower($1) LIMIT 1
  ), used AS (
    SELECT o.key_id, o.hint, o.picks, o.requests, o.errors, o.error_rate, o.last_used_at,
           o.key_source, count(*) OVER (PARTITION BY o.hint) > 1 AS ambiguous
    FROM keypool.api_keys_overview o
    JOIN asked a ON a.name = o.provider
    WHERE o.state <> 'revoked' AND (o.key_source <> 'user' OR o.picks + o.requests > 0)
  )
  SELECT jsonb_build_object(
           'provider', a.name,
           'total_keys', (SELECT count(*) FROM keypool.api_keys k
                          WHERE k.provider = a.name AND k.revoked_at IS NULL),
           'key_usage', coalesce((
              SELECT jsonb_object_agg(
                       CASE WHEN u.ambiguous THEN u.hint || ' #' || u.key_id ELSE u.hint END,
                       jsonb_build_object('requests', greatest(u.picks, u.requests),
                                          'errors', u.errors,
                                          'last_used', u.last_used_at,
                                          'error_rate', u.error_rate))
              FROM used u), '{}'))
  FROM asked a)";

std::vector<std::string> known_providers(pg::Session& session) {
  std::vector<std::string> names;
  const pg::Rows rows = session.run("SELECT name FROM keypool.providers");
  for (std::size_t i = 0; i < rows.size(); ++i) names.push_back(rows.get<std::string>(i, 0));
  return names;
}

// get_usage_stats(provider) → {"provider", "total_keys", "key_usage": {hint: {…}}}
Datum get_usage_stats(const pg::Args& args) {
  const auto provider = args.get<std::string_view>(0);
  std::string document;
  {
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    const pg::Rows rows = session.run(kQuery, provider);
    if (rows.empty()) throw core::unknown_provider(provider, known_providers(session));
    document = rows.get<pg::Json>(0, 0).text;
  }
  return pg::to_datum(pg::Json{document});
}

}  // namespace

KEYPOOL_FUNCTION(get_usage_stats, get_usage_stats);

}  // namespace keypool::api
