// The audit log's own functions: what guards its rows, what drops the oldest, and the hash of one.
#include <array>
#include <optional>
#include <string>

#include "api/audited.hpp"
#include "api/own_trigger.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "store/audit.hpp"
#include "store/audit_chain.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace keypool::api {

namespace {

constinit bool pruning = false;  // SQL has no way to set it

class [[nodiscard]] Pruning {
 public:
  Pruning() noexcept { pruning = true; }
  Pruning(const Pruning&) = delete;
  Pruning& operator=(const Pruning&) = delete;
  ~Pruning() { pruning = false; }
};

// guard_audit_log() → trigger: before each UPDATE, DELETE or TRUNCATE of keypool.audit_log
Datum guard_audit_log(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "guard_audit_log");
  if (pruning && TRIGGER_FIRED_BY_DELETE(trigger.tg_event)) {
    return PointerGetDatum(trigger.tg_trigtuple);
  }
  throw core::Error(core::ErrorCode::kForbidden, "entries of the audit log cannot be changed", {},
                    "They are only ever added; keypool.audit_retention says how long they are "
                    "kept.");
}

// audit_hash(previous_hash bytea, id bigint, at timestamptz, action text, outcome text,
//            session_role text, acting_role text, client_address text, application text,
//            key_id bigint, provider text, times bigint, details jsonb) → bytea
Datum audit_hash(const pg::Args& args) {
  using Text = std::string_view;
  const auto previous = args.optional<pg::Bytes>(0);
  std::optional<Text> details;
  if (!args.is_null(12)) {
    const Datum value = args.datum(12);
    details = pg::call([value] {
      Jsonb* json = DatumGetJsonbP(value);
      return JsonbToCString(nullptr, &json->root, VARSIZE(json));
    });
  }
  const store::ChainRow row = {.id = args.get<std::int64_t>(1),
                               .at = args.get<pg::Instant>(2).value,
                               .action = args.get<Text>(3),
                               .outcome = args.get<Text>(4),
                               .session_role = args.optional<Text>(5),
                               .acting_role = args.optional<Text>(6),
                               .client_address = args.optional<Text>(7),
                               .application = args.optional<Text>(8),
                               .key_id = args.optional<std::int64_t>(9),
                               .provider = args.optional<Text>(10),
                               .times = args.get<std::int64_t>(11),
                               .details = details};
  const core::Digest hash =
      store::chain_hash(previous ? previous->data : std::span<const std::byte>(), row);
  return pg::to_datum(pg::Bytes{hash});
}

constexpr std::int64_t kMostPruned = 100'000;

// The last of the rows older than the setting says, from the front of the chain and never out of
// its middle. That something was dropped is no reason of its own to drop that again.
constexpr const char* kPrunedUpTo = R"(
SELECT l.id, encode(l.hash, 'hex')
FROM keypool.audit_log l
CROSS JOIN (
  SELECT coalesce(min(f.id) FILTER (WHERE f.at >= now() - make_interval(mins => $1)),
                  max(f.id) + 1) AS id,
         min(f.id) FILTER (WHERE f.action <> 'audit_pruned') AS worth
  FROM (SELECT k.id, k.at, k.action FROM keypool.audit_log k ORDER BY k.id LIMIT $2) f) AS border
WHERE l.id < border.id AND border.worth < border.id
ORDER BY l.id DESC LIMIT 1)";

// prune_audit_log() → bigint: entries dropped; does nothing that keypool.audit_retention does not
// say
Datum prune_audit_log(const pg::Args&) {
  const std::int32_t minutes = pg::settings().audit_retention;
  if (minutes == 0) return pg::to_datum(std::int64_t{0});
  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  // Of two that prune at once the second finds what the first has left.
  session.run("LOCK TABLE keypool.audit_log IN SHARE UPDATE EXCLUSIVE MODE");
  const pg::Rows last = session.run(kPrunedUpTo, minutes, kMostPruned);
  if (last.empty()) return pg::to_datum(std::int64_t{0});
  const auto id = last.get<std::int64_t>(0, 0);
  const Pruning allowed;
  const pg::Rows gone = session.run("DELETE FROM keypool.audit_log WHERE id <= $1", id);
  const auto dropped = static_cast<std::int64_t>(gone.affected());
  store::note_audit({.action = "audit_pruned",
                     .key_id = 0,
                     .provider = {},
                     .details = "{\"last_id\": " + std::to_string(id) + ", \"last_hash\": \"" +
                                last.get<std::string>(0, 1) +
                                "\", \"entries\": " + std::to_string(dropped) + "}"});
  return pg::to_datum(dropped);
}

// note_access(action text, details jsonb) → void: for grant_keypool and revoke_keypool
Datum note_access(const pg::Args& args) {
  const auto action = args.get<std::string_view>(0);
  if (action != "grant_keypool" && action != "revoke_keypool") {
    throw core::Error(core::ErrorCode::kInvalidArgument, "not an action that changes access");
  }
  store::note_audit({.action = action,
                     .key_id = 0,
                     .provider = {},
                     .details = std::string(args.get<pg::Json>(1).text)});
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(guard_audit_log,
                 (audited<"change_audit_log", AuditSubject::kNone, guard_audit_log>));
KEYPOOL_FUNCTION(audit_hash, audit_hash);
KEYPOOL_FUNCTION(prune_audit_log, prune_audit_log);
KEYPOOL_FUNCTION(note_access, note_access);

}  // namespace keypool::api
