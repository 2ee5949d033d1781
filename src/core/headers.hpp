// Reads rate limits from the headers of a provider's answer.
//
// Understands OpenAI's and its compatibles' x-ratelimit-*, Anthropic's anthropic-ratelimit-*,
// retry-after and retry-after-ms; names compare without case, values that make no sense are
// ignored. Where several windows describe the same thing (Anthropic counts tokens, input tokens and
// output tokens) the tightest one is reported. Pure functions: any thread, no lock, no throw.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/time.hpp"

namespace keypool::core {

struct HeaderField {
  std::string_view name;
  std::string_view value;
};

// Counts are never negative. Every moment is absolute, not before `now` and at most kLongestWait
// after it.
struct RateLimits {
  std::optional<std::int64_t> limit_requests;
  std::optional<std::int64_t> remaining_requests;
  std::optional<std::int64_t> limit_tokens;
  std::optional<std::int64_t> remaining_tokens;
  std::optional<Micros> reset_requests_at;
  std::optional<Micros> reset_tokens_at;
  std::optional<Micros> retry_at;  // what retry-after(-ms) asks for; the finer one wins
};

// No header can make anyone wait longer: a hostile or broken "retry-after: 999999999" would
// otherwise park a key for good, since a cooldown is never shortened.
inline constexpr Micros kLongestWait = kDay;

// now + wait, held between now and now + kLongestWait.
Micros bounded_deadline(Micros now, Micros wait) noexcept;

RateLimits read_rate_limits(std::span<const HeaderField> headers, Micros now) noexcept;

// When the limit that a refused request most likely ran into is lifted: the reset of the side
// (requests or tokens) with the smaller share left; of two used up, the later. nullopt: not told.
std::optional<Micros> reset_of_tightest(const RateLimits& limits) noexcept;

}  // namespace keypool::core
