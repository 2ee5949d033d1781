// Meters of callers: how many picks each role and each user has made lately, against the limits set
// for them. A bounded table of plain data for shared memory; a meter is found by database,
// installation, scope and the whole of its name, so that no two callers ever share one.
//
// Lock: shared to find, count and read, exclusive to add. The figures of a meter have a spinlock of
// their own, which the functions below take. Nothing is allocated but by readings().
//
// A meter goes when the place is needed and its limited spans hold no pick any more: one that
// counts something is never dropped, however many callers come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/slot.hpp"
#include "core/spinlock.hpp"
#include "core/time.hpp"
#include "core/window.hpp"

namespace keypool::core {

enum class CallerScope : std::uint8_t { kRole, kUser };
inline constexpr std::size_t kCallerScopes = 2;
// As keypool.caller_limits has it.
std::string_view name(CallerScope scope) noexcept;

inline constexpr std::size_t kMaxCallerName = 255;

struct Caller {
  std::uint32_t database;
  std::uint32_t installation;  // each CREATE EXTENSION there is another
  CallerScope scope;
  std::string_view name;  // at most kMaxCallerName bytes
};

struct CallerLimit {  // picks; 0: no limit
  std::uint32_t per_minute;
  std::uint32_t per_hour;
  explicit operator bool() const noexcept { return per_minute != 0 || per_hour != 0; }
};

struct LimitedCaller {
  Caller caller;
  CallerLimit limit;
};

// What stands against a pick: a limit is reached in that span until free_at.
struct CallerStop {
  Micros span;  // kMinute, kHour; 0: nothing stands against it
  std::uint32_t limit;
  std::uint64_t used;
  Micros free_at;
};

enum class Admission : std::uint8_t { kAdmitted, kRefused, kNoMeter };

struct CallerVerdict {
  Admission admission;
  std::size_t caller;  // kRefused: which of those asked for
  CallerStop stop;
};

// The two rolling counts of a caller.
struct CallerCounts {
  MinuteWindow minute;
  HourWindow hour;

  // Of the limits that are reached, the one that lasts longest.
  CallerStop stop(CallerLimit limit, Micros now) noexcept;
};

struct CallerReading {
  CallerScope scope;
  std::string name;
  CallerCounts counts;
};

class CallerMeters {
 public:
  // How much memory so many meters take; it must be aligned to 8 bytes.
  static std::size_t bytes_for(std::uint32_t capacity) noexcept;
  // In zeroed memory.
  static CallerMeters create(void* memory, std::uint32_t capacity) noexcept;
  static CallerMeters attach(void* memory) noexcept;

  std::uint32_t capacity() const noexcept;

  // Counts a pick for each of them, one a scope at most, or for none when a limit of one is
  // reached. kNoMeter: nothing stands against it, but one of them has no meter yet; nothing is
  // counted.
  CallerVerdict admit(std::span<const LimitedCaller> callers, Micros now) noexcept;

  // Exclusive: gives each of them a meter that lacks one. False when every meter there is counts
  // picks: nobody else can be limited then.
  bool add(std::span<const LimitedCaller> callers, Micros now) noexcept;

  // Of all callers of an installation. Throws std::bad_alloc.
  std::vector<CallerReading> readings(std::uint32_t database, std::uint32_t installation);

 private:
  struct Header;
  struct Meter;
  class Held;

  explicit CallerMeters(void* memory) noexcept;

  std::uint32_t& bucket_of(const Caller& caller) const noexcept;
  std::uint32_t find(const Caller& caller) const noexcept;
  std::uint32_t take_place(std::span<const LimitedCaller> spared, Micros now) noexcept;
  std::uint32_t evict(std::span<const LimitedCaller> spared, Micros now) noexcept;
  void unlink(std::uint32_t index) noexcept;

  Header* header_;
  std::uint32_t* buckets_;  // as many as there are meters
  Meter* meters_;
};

}  // namespace keypool::core
