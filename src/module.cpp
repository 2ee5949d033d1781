// What the server loads: pg_keypool.so. _PG_init is the table of contents of the extension.
//
// In a server that did not preload the library only the settings are defined; every SQL function
// then fails with 55000 (pg::require_preloaded). Under pg_upgrade nothing else is registered
// either: its servers must not start workers or touch tables.
#include "api/copy_requests.hpp"
#include "api/redaction.hpp"
#include "api/utility.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "store/audit.hpp"
#include "store/audit_board.hpp"
#include "store/caller_meters.hpp"
#include "store/catalog.hpp"
#include "store/coherence.hpp"
#include "store/destruction.hpp"
#include "store/launcher_registration.hpp"
#include "store/request_tables.hpp"
#include "store/request_usage.hpp"
#include "store/root_key.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"
#include "store/table_writer.hpp"
#include "store/worker_board.hpp"

#include "pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
  namespace pg = keypool::pg;
  namespace store = keypool::store;

  pg::define_settings();
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  pg::mark_preloaded();

  store::install_audit();  // before all others that act at the end of a transaction
  store::install_audit_board();
  store::install_shared_pool();
  store::install_shared_budgets();
  store::install_worker_board();
  store::install_caller_meters();
  store::install_catalog();
  store::install_coherence();
  store::install_destruction();
  store::install_table_writer();
  store::install_request_tables();
  store::install_request_usage();
  keypool::api::install_utility_hooks();
  keypool::api::install_redaction();
  keypool::api::install_copy_requests();
  store::ensure_default_root_key();
  store::register_launcher();
}
