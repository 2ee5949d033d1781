// Opening the books of a budget: what was spent before is added up from the rollups, and from the
// log where a period begins or ends within a UTC day. And closing them.
//
// As of the mark, so that folding goes on from there; each in the caller's transaction, under the
// fold's lock, which it holds to its end. At REPEATABLE READ it fails with 40001 when the log was
// folded since the snapshot was taken. Acts as the tables' owner. Throws PgError and Error.
#pragma once

#include <cstdint>
#include <optional>

namespace keypool::store {

// Opens the books of all budgets that this transaction has made or redefined. Throws
// kConfigurationLimit when there are too many budgets.
void open_books();

// Deletes the books of that budget, or of all that are no more.
void close_books(std::optional<std::int64_t> budget);

}  // namespace keypool::store
