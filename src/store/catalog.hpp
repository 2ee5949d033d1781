// Which relations of this database are ours, by oid. Looked up once and forgotten when Postgres
// says that one of them changed, as after DROP and CREATE EXTENSION.
#pragma once

#include <cstdint>

#include "pg/postgres.hpp"

namespace keypool::store {

struct Catalog {
  Oid owner;  // of the tables: whom C code acts as when it must run SQL text
  Oid schema;
  Oid providers;
  Oid data_keys;
  Oid api_keys;
  Oid api_keys_pkey;
  Oid api_keys_mirrored;
  Oid api_keys_user;
  Oid api_keys_secret;
  Oid api_keys_overview;  // the view
  Oid key_state;
  Oid key_state_pkey;
  Oid requests;
  Oid requests_xid;  // the partitioned index
  Oid requests_id_seq;
  Oid request_changes;
  Oid request_changes_xid;
  Oid request_triggers[2];  // functions of the log's row triggers
  Oid rollup_state;
  Oid tracking_rollup;
  Oid usage_rollup;
  Oid budget_spending;
  Oid model_prices;
  Oid model_prices_pkey;
  Oid caller_limits;
  Oid caller_limits_name;  // the index
  Oid alert_webhooks;
  Oid audit_log;
  Oid audit_log_pkey;
};

// _PG_init only: registers the callback that forgets.
void install_catalog();

// Throws kNotReady when the extension is not installed in this database.
const Catalog& catalog();

// Has note(relation) called from now on whenever Postgres says that a relation changed, InvalidOid
// for all of them. It may look nothing up. Once a process for each `note`: Postgres has no more
// than ten places for such callbacks, which other libraries need too, so this one is shared.
void watch_relations(void (*note)(Oid relation));

// The oid of keypool.api_keys as last looked up, InvalidOid if never: for callbacks that may not
// look anything up.
Oid known_api_keys() noexcept;

// Moves whenever the catalog had to be looked up anew; what was cached from our tables before is
// void then.
std::uint64_t catalog_generation();

}  // namespace keypool::store
