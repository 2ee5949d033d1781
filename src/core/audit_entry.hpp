// Entries of the audit log on their way into it, and those of a transaction that has yet to commit.
//
// A rolled-back savepoint takes its entries along. Plain C++, one thread. add() may throw
// std::bad_alloc and has done nothing then; release() and roll_back() are noexcept, so that commit
// and abort cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/time.hpp"

namespace keypool::core {

// Empty texts and key 0: none, or not known.
struct AuditEntry {
  Micros at;
  std::string action;
  std::string outcome;
  std::string session_role;
  std::string acting_role;
  std::string client_address;
  std::string application;
  std::int64_t key_id = 0;
  std::string provider;
  std::int64_t times = 1;
  std::string details;  // a JSON object as jsonb prints it
};

class PendingAudit {
 public:
  void add(int level, AuditEntry entry) {
    entries_.push_back({level, std::move(entry), Kind::kOther});
  }

  // One of possibly very many of a statement that changes rows: the first thousand of a transaction
  // are entries of their own, further ones of an action are counted in one.
  void add_row(int level, AuditEntry entry);

  // The subtransaction of that level has been released into the one above, or rolled back.
  void release(int level) noexcept;
  void roll_back(int level) noexcept;

  bool empty() const noexcept { return entries_.empty(); }
  std::vector<AuditEntry> take_all();

 private:
  static constexpr std::size_t kMostRows = 1000;

  enum class Kind : std::uint8_t { kOther, kRow, kFurtherRows };
  struct Pending {
    int level;
    AuditEntry entry;
    Kind kind;
  };

  std::vector<Pending> entries_;
  std::size_t rows_ = 0;  // those of kRow
};

}  // namespace keypool::core
