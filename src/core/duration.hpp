// Reads durations and moments as providers write them in headers and bodies.
//
// The whole text must be understood: anything else, and anything that does not fit Micros, is
// nullopt. White space around the text is allowed. Pure functions: any thread, no lock, no throw.
#pragma once

#include <optional>
#include <string_view>

#include "core/time.hpp"

namespace keypool::core {

// Go's style, "12ms", "1s", "6m0s", "1h2m3s", "1.5s" (units d, h, m, s, ms, us), or a plain number
// of seconds, "20" or "0.5". Never negative. What is finer than a microsecond is cut off.
std::optional<Micros> parse_duration(std::string_view text) noexcept;

// RFC 3339, "2025-01-31T23:59:59.5Z" or with "+01:00": a moment. A leap second counts as the next.
std::optional<Micros> parse_rfc3339(std::string_view text) noexcept;

// The three forms RFC 9110 section 5.6.7 obliges a recipient to accept:
// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
// The weekday is not checked; two-digit years mean 1970 to 2069.
std::optional<Micros> parse_http_date(std::string_view text) noexcept;

}  // namespace keypool::core
