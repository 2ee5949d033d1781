// The audit log: who did what to which key, when, and what came of it.
//
// note_audit() belongs to the running transaction: the entry is written when that commits, in it,
// and is gone with a savepoint that is rolled back. It needs a transaction and throws
// std::bad_alloc and PgError. note_attempt() is for what has failed, and will be rolled back: the
// worker writes it within seconds; it never waits or fails, and after an error it is all one may
// call. No text may hold a secret.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keypool::store {

// _PG_init, before all that does something of its own at the end of a transaction (the end of the
// chain is taken last), and the worker's library.
void install_audit();

struct AuditEvent {
  // The SQL function's name, or "update_key", "delete_key", "expire_key" …
  std::string_view action;
  std::int64_t key_id = 0;    // 0: it concerns no single key
  std::string_view provider;  // empty: none
  std::string details;        // a JSON object; empty: none
};

void note_audit(const AuditEvent& event);

// Of a statement that may change any number of rows (core/audit_entry.hpp says how many are told).
void note_row_audit(const AuditEvent& event);

// `sqlstate` as Postgres packs it; 0: it went well, in a server that can write nothing.
void note_attempt(std::string_view action, std::int64_t key_id, std::string_view provider,
                  int sqlstate) noexcept;

// The worker has opened a key to check it; as keypool.audit_picks says, failures always.
void note_check(std::int64_t key_id, std::string_view provider, int sqlstate) noexcept;

// "denied" for insufficient_privilege, "failed" for any other.
std::string_view outcome_of(int sqlstate) noexcept;

// Which of our functions is running, for the row triggers that its statements fire. A literal.
class [[nodiscard]] RunningAction {
 public:
  explicit RunningAction(const char* name) noexcept;
  RunningAction(const RunningAction&) = delete;
  RunningAction& operator=(const RunningAction&) = delete;
  ~RunningAction();

  static const char* name() noexcept;  // null: none

 private:
  const char* outer_;
};

}  // namespace keypool::store
