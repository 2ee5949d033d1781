#include "store/catalog.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace keypool::store {

namespace {

Catalog cached = {};
bool valid = false;
std::uint64_t generation = 0;

using Note = void (*)(Oid relation);
constinit std::array<Note, 4> notes = {};

// Any of our tables, or everything: look again. That is rare, and cheap enough to do for each
// committed key, which sends such a message too.
void forget(Datum, Oid relation) {
  const bool ours = relation == InvalidOid || relation == cached.api_keys ||
                    relation == cached.providers || relation == cached.data_keys ||
                    relation == cached.key_state || relation == cached.requests ||
                    relation == cached.audit_log;
  if (ours) valid = false;
  for (const Note note : notes) {
    if (note != nullptr) note(relation);
  }
}

Oid owner_of(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

Oid trigger_function(Oid schema, const char* name) {
  oidvector* none = buildoidvector(nullptr, 0);
  return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                         PointerGetDatum(none), ObjectIdGetDatum(schema));
}

Catalog look_up() {
  Catalog found = {};
  const Oid schema = get_namespace_oid("keypool", true);
  if (schema == InvalidOid) return found;
  const auto relation = [schema](const char* name) { return get_relname_relid(name, schema); };
  found.schema = schema;
  found.providers = relation("providers");
  found.data_keys = relation("data_keys");
  found.api_keys = relation("api_keys");
  found.api_keys_pkey = relation("api_keys_pkey");
  found.api_keys_mirrored = relation("api_keys_mirrored");
  found.api_keys_user = relation("api_keys_user");
  found.api_keys_secret = relation("api_keys_secret");
  found.api_keys_overview = relation("api_keys_overview");
  found.key_state = relation("key_state");
  found.key_state_pkey = relation("key_state_pkey");
  found.requests = relation("chat_completion_requests");
  found.requests_xid = relation("chat_completion_requests_xid");
  found.requests_id_seq = relation("chat_completion_requests_id_seq");
  found.request_changes = relation("request_changes");
  found.request_changes_xid = relation("request_changes_xid");
  found.request_triggers[0] = trigger_function(schema, "request_logged");
  found.request_triggers[1] = trigger_function(schema, "request_versioned");
  found.rollup_state = relation("rollup_state");
  found.tracking_rollup = relation("tracking_rollup");
  found.usage_rollup = relation("usage_rollup");
  found.budget_spending = relation("budget_spending");
  found.model_prices = relation("model_prices");
  found.model_prices_pkey = relation("model_prices_pkey");
  found.caller_limits = relation("caller_limits");
  found.caller_limits_name = relation("caller_limits_name");
  found.alert_webhooks = relation("alert_webhooks");
  found.audit_log = relation("audit_log");
  found.audit_log_pkey = relation("audit_log_pkey");
  found.owner = owner_of(found.api_keys);
  return found;
}

// Plain oids, nothing else.
bool same(const Catalog& a, const Catalog& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

void install_catalog() { CacheRegisterRelcacheCallback(forget, Datum{0}); }

const Catalog& catalog() {
  if (valid) [[likely]]
    return cached;
  const Catalog found = pg::call([] { return look_up(); });
  if (found.owner == InvalidOid) {
    throw core::Error(core::ErrorCode::kNotReady,
                      "the tables of pg_keypool are missing in this database", {},
                      "Run CREATE EXTENSION pg_keypool.");
  }
  if (!same(found, cached)) ++generation;
  cached = found;
  valid = true;
  return cached;
}

void watch_relations(Note note) {
  const auto place = std::find(notes.begin(), notes.end(), nullptr);
  if (place == notes.end()) {
    throw core::Error(core::ErrorCode::kInternal, "too many watch the relations");
  }
  *place = note;
}

Oid known_api_keys() noexcept { return cached.api_keys; }

std::uint64_t catalog_generation() {
  catalog();
  return generation;
}

}  // namespace keypool::store
