// What the limits of a key have counted, as one line of text for the table, so that it outlives a
// restart: `hour=81234:5,0,3 told_requests=7@848221034`.
//
// A window is the number of its newest bucket, that bucket's count and those of the buckets before
// it; only windows that a limit of the key asks for are written. A word of the provider is what is
// left @ the second until which that holds (both since 2000). What has aged by the time it is read
// goes when it is first looked at. No lock of its own; only write() may throw, std::bad_alloc.
#pragma once

#include <string>
#include <string_view>

#include "core/slot.hpp"

namespace keypool::core {

// Copied out of a slot.
struct LimitCounts {
  KeyLimits limits;
  HourWindow hour;
  MinuteWindow minute;
  MinuteWindow tokens_minute;
  ToldLimits told;
};
LimitCounts limit_counts(const Slot& slot) noexcept;

class LimitsText {
 public:
  // Empty: there is nothing to remember.
  static std::string write(LimitCounts counts, Micros now);
  // Into a slot that has counted nothing yet. What cannot be read is left out.
  static void read(std::string_view text, Slot& slot) noexcept;

 private:
  template <typename Counting>
  static void add(std::string& text, std::string_view name, Counting& window, Micros now);
  static void add(std::string& text, std::string_view name, ToldLimit& told, Micros now);
  template <typename Counting>
  static void read_into(Counting& window, std::string_view text) noexcept;
  static void read_into(ToldLimit& told, std::string_view text) noexcept;
};

}  // namespace keypool::core
