// What other people's statements mean for us: DROP DATABASE and its kin need a database without
// connections, and so without our worker; DROP EXTENSION, by whatever name, ends our work in this
// database.
//
// Hooks of every backend, chained to those of others; any other statement costs one switch. The
// consequences are drawn in the transaction's commit callback, when they are certain and visible.
#pragma once

namespace keypool::api {

// _PG_init of a preloaded library only.
void install_utility_hooks();

}  // namespace keypool::api
