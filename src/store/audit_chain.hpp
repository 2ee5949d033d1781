// The audit log as a chain: each entry holds the hash of the one before and its own.
//
// Appending waits for the sessions that are doing so and have yet to commit; from then on the end
// of the chain is this transaction's until it ends. So it belongs at the very end of a transaction,
// where no other lock is waited for any more, and cannot deadlock. Numbers follow one another
// without a gap; the first is the moment, in microseconds since 2000, so that chains of different
// installations never share one. Needs a transaction; throws PgError and core::Error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/audit_entry.hpp"
#include "core/cipher.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// A row of keypool.audit_log as it is hashed.
struct ChainRow {
  std::int64_t id;
  core::Micros at;
  std::string_view action;
  std::string_view outcome;
  std::optional<std::string_view> session_role;
  std::optional<std::string_view> acting_role;
  std::optional<std::string_view> client_address;
  std::optional<std::string_view> application;
  std::optional<std::int64_t> key_id;
  std::optional<std::string_view> provider;
  std::int64_t times;
  std::optional<std::string_view> details;  // as jsonb prints it
};

// sha256 of the previous hash (empty for the first entry) and the row as a JSON array in UTF-8.
// docs/audit.md says it in plain SQL.
core::Digest chain_hash(std::span<const std::byte> previous, const ChainRow& row);

// Runs as the tables' owner; writes in a transaction that is declared read-only, too.
void append_to_chain(std::span<const core::AuditEntry> entries);

}  // namespace keypool::store
