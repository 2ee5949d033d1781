// What one session has done and the worker has yet to write into the audit log, in shared memory.
//
// A record counts what the same caller did within the same second. Its own session alone adds to a
// slot, and never waits: when all records are in use, what the same caller did earlier is counted
// on, and what even that has no room for is counted without its caller. The worker takes records
// and frees them once they are written; what a session leaves behind when it ends stays for the
// next worker. Plain data, zeroed memory is an empty slot; each call takes the slot's spinlock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/spinlock.hpp"
#include "core/time.hpp"

namespace keypool::core {

// NUL-padded, cut to fit.
template <std::size_t kSize>
struct ShortText {
  std::array<char, kSize> bytes;

  void assign(std::string_view text) noexcept {
    bytes = {};
    text.copy(bytes.data(), kSize - 1);
  }
  std::string_view view() const noexcept { return bytes.data(); }
  bool operator==(const ShortText&) const = default;
};

struct AuditCaller {
  std::uint32_t database;
  std::uint32_t session_role;
  std::uint32_t acting_role;
  ShortText<48> address;      // empty: a local socket, or none
  ShortText<64> application;  // scrubbed
  bool operator==(const AuditCaller&) const = default;
};

// What was done, and how it ended.
struct AuditDeed {
  ShortText<32> action;
  ShortText<64> provider;  // scrubbed; empty: none, or several
  std::int32_t sqlstate;   // as Postgres packs it; 0: it went well
  bool operator==(const AuditDeed&) const = default;
};

struct AuditRecord {
  enum class State : std::uint8_t { kFree, kOpen, kTaken };

  State state;
  bool single;           // one deed at one moment, never counted on
  std::uint32_t serial;  // another one each time that it is opened
  AuditCaller caller;
  AuditDeed deed;
  Micros first;  // when it was done first, and last
  Micros last;
  std::uint64_t times;
  // Of further ones only `times` tells.
  static constexpr std::size_t kKeys = 8;
  std::array<std::int64_t, kKeys> key_ids;  // 0: free
  std::array<std::uint32_t, kKeys> key_times;

  void count(std::int64_t key_id, Micros at) noexcept;
};

class alignas(64) AuditSlot {
 public:
  enum class Noted : std::uint8_t {
    kCounted,  // in a record that was there
    kOpened,   // in a new one: the worker may have to be woken
    kNoRoom,   // counted without its caller; for a single deed: not at all
  };

  // Where the session has counted last; kept between its calls for the same caller and deed, and
  // made anew for another.
  struct Guess {
    std::uint32_t serial = 0;
    std::uint8_t record = 0;
    Micros until = 0;  // the end of the second
  };
  Noted note(const AuditCaller& caller, const AuditDeed& deed, std::int64_t key_id, Micros at,
             bool single, Guess& guess) noexcept;

  // Whether there is anything of any database. Without the lock.
  bool is_empty() const noexcept { return in_use_.load(std::memory_order_relaxed) == 0; }

  // For the worker: copies the records of a database which are complete, that is, single or of
  // seconds before `now`'s (`all`: every one), and marks them as taken; `out` has room for
  // kRecords. Answers how many; `left` is set when open ones remain.
  static constexpr std::size_t kRecords = 16;
  std::size_t take(std::uint32_t database, Micros now, bool all, AuditRecord* out,
                   bool& left) noexcept;
  // What was taken is written down; or could not be, and is there again.
  void settle(std::uint32_t database, bool written) noexcept;

  // What there was no room for.
  struct Lost {
    std::uint64_t picks;
    std::uint64_t others;
  };
  Lost take_lost(std::uint32_t database) noexcept;
  // There is no log to write it into any more.
  void forget(std::uint32_t database) noexcept;

 private:
  // Null: no room.
  AuditRecord* find_or_open(const AuditCaller& caller, const AuditDeed& deed, Micros at,
                            bool single, Noted& noted) noexcept;
  void lose(const AuditCaller& caller, const AuditDeed& deed) noexcept;

  SpinLock lock_;
  std::atomic<std::uint32_t> in_use_;  // records that are not free, and losses; written locked
  std::uint32_t last_serial_;
  std::uint32_t lost_database_;
  Lost lost_;
  std::array<AuditRecord, kRecords> records_;
};

// The name under which a pick is noted.
inline constexpr std::string_view kPickAction = "pick";

}  // namespace keypool::core
