// How the pool follows the tables. A trigger marks the transaction; when its commit is visible, one
// callback moves the epochs of what it changed, and whoever picks next loads anew. A rollback moves
// nothing. Commit callbacks do not run on a standby: there the relation's invalidation message,
// which the trigger queues too and replay delivers, does the same.
#pragma once

#include <string_view>

#include "core/pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// _PG_init only.
void install_coherence();

// This transaction changed a provider, or a key that the pool mirrors.
void mark_mirrored_changed();
// This transaction changed a key of that user.
void mark_user_changed(std::string_view user);
// This transaction changed an unknown number of keys, as TRUNCATE does.
void mark_all_changed();
// This transaction changed budgets, or their books otherwise than by folding the log.
void mark_budgets_changed();

// Outside of what triggers see: envelopes were replaced in the tables, and those in the pool are to
// be read anew. The first queues the message for standbys in this transaction; the second, once
// that is committed, moves the epochs of this database.
void tell_standbys_to_reload();
void reload_everything(core::Database& database) noexcept;

// On a standby: takes in what replay has delivered. Before any look at an epoch.
void catch_up();

}  // namespace keypool::store
