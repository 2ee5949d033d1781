// Asks the server to run the launcher (worker/launcher.cpp). _PG_init only, and not under
// pg_upgrade, whose servers must not start workers.
#pragma once

namespace keypool::store {

void register_launcher();

}  // namespace keypool::store
