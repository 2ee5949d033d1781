#include "core/headers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <system_error>

#include "core/ascii.hpp"
#include "core/duration.hpp"

namespace keypool::core {
namespace {

// One thing a provider counts. OpenAI has two of them, Anthropic four.
struct Window {
  std::optional<std::int64_t> limit;
  std::optional<std::int64_t> remaining;
  std::optional<Micros> reset_at;
  bool limit_untold = false;  // the limit was sent as -1 or 0: Azure's way to say "unknown"
};

enum Counted : std::size_t {
  kRequests,
  kTokens,
  kAnthropicRequests,
  kAnthropicTokens,
  kAnthropicInputTokens,
  kAnthropicOutputTokens,
  kWindowCount,
};
using Windows = std::array<Window, kWindowCount>;

enum class Part { kLimit, kRemaining, kReset };

struct Meaning {
  std::string_view name;
  Counted window;
  Part part;
};

constexpr std::array<Meaning, 18> kMeanings = {{
    {"x-ratelimit-limit-requests", kRequests, Part::kLimit},
    {"x-ratelimit-remaining-requests", kRequests, Part::kRemaining},
    {"x-ratelimit-reset-requests", kRequests, Part::kReset},
    {"x-ratelimit-limit-tokens", kTokens, Part::kLimit},
    {"x-ratelimit-remaining-tokens", kTokens, Part::kRemaining},
    {"x-ratelimit-reset-tokens", kTokens, Part::kReset},
    {"anthropic-ratelimit-requests-limit", kAnthropicRequests, Part::kLimit},
    {"anthropic-ratelimit-requests-remaining", kAnthropicRequests, Part::kRemaining},
    {"anthropic-ratelimit-requests-reset", kAnthropicRequests, Part::kReset},
    {"anthropic-ratelimit-tokens-limit", kAnthropicTokens, Part::kLimit},
    {"anthropic-ratelimit-tokens-remaining", kAnthropicTokens, Part::kRemaining},
    {"anthropic-ratelimit-tokens-reset", kAnthropicTokens, Part::kReset},
    {"anthropic-ratelimit-input-tokens-limit", kAnthropicInputTokens, Part::kLimit},
    {"anthropic-ratelimit-input-tokens-remaining", kAnthropicInputTokens, Part::kRemaining},
    {"anthropic-ratelimit-input-tokens-reset", kAnthropicInputTokens, Part::kReset},
    {"anthropic-ratelimit-output-tokens-limit", kAnthropicOutputTokens, Part::kLimit},
    {"anthropic-ratelimit-output-tokens-remaining", kAnthropicOutputTokens, Part::kRemaining},
    {"anthropic-ratelimit-output-tokens-reset", kAnthropicOutputTokens, Part::kReset},
}};

std::optional<std::int64_t> parse_count(std::string_view text) noexcept {
  text = trimmed(text);
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return count;
}

std::optional<Micros> parse_reset(std::string_view text, Micros now) noexcept {
  if (const auto moment = parse_rfc3339(text)) return bounded_deadline(now, *moment - now);
  if (const auto wait = parse_duration(text)) return bounded_deadline(now, *wait);
  return std::nullopt;
}

void take(Window& window, Part part, std::string_view value, Micros now) noexcept {
  if (part == Part::kReset) {
    if (const auto reset_at = parse_reset(value, now)) window.reset_at = reset_at;
    return;
  }
  const auto count = parse_count(value);
  if (!count) return;
  if (part == Part::kRemaining) {
    if (*count >= 0) window.remaining = count;
  } else if (*count > 0) {
    window.limit = count;
  } else {
    window.limit_untold = true;
  }
}

// How much is left, 0 to 1; what says nothing about it counts as untouched.
double share_left(std::optional<std::int64_t> limit,
                  std::optional<std::int64_t> remaining) noexcept {
  if (!remaining) return 1.0;
  if (*remaining == 0) return 0.0;
  if (!limit) return 1.0;
  return std::min(1.0, static_cast<double>(*remaining) / static_cast<double>(*limit));
}

bool tighter(const Window& a, const Window& b) noexcept {
  const double share_a = share_left(a.limit, a.remaining);
  const double share_b = share_left(b.limit, b.remaining);
  if (share_a != share_b) return share_a < share_b;
  constexpr std::int64_t kUntold = std::numeric_limits<std::int64_t>::max();
  const std::int64_t left_a = a.remaining.value_or(kUntold);
  const std::int64_t left_b = b.remaining.value_or(kUntold);
  if (left_a != left_b) return left_a < left_b;
  return a.reset_at.value_or(0) > b.reset_at.value_or(0);
}

Window tightest(const Windows& windows, std::initializer_list<Counted> candidates) noexcept {
  const Window* best = nullptr;
  for (const Counted index : candidates) {
    const Window& window = windows[index];
    // A window whose limit is unknown sends a remaining of 0 or -1 as well: believe none of it.
    const bool told = window.limit || window.remaining || window.reset_at;
    if (!told || (window.limit_untold && !window.limit)) continue;
    if (best == nullptr || tighter(window, *best)) best = &window;
  }
  return best != nullptr ? *best : Window{};
}

std::optional<Micros> parse_retry_after(std::string_view text, Micros now) noexcept {
  if (const auto wait = parse_duration(text)) return bounded_deadline(now, *wait);
  if (const auto moment = parse_http_date(text)) return bounded_deadline(now, *moment - now);
  return std::nullopt;
}

std::optional<Micros> parse_retry_after_ms(std::string_view text, Micros now) noexcept {
  // A plain number of milliseconds, perhaps with decimals: a thousandth of as many seconds.
  text = trimmed(text);
  if (text.empty() || is_letter(text.back())) return std::nullopt;
  const auto as_seconds = parse_duration(text);
  if (!as_seconds) return std::nullopt;
  return bounded_deadline(now, *as_seconds / 1000);
}

}  // namespace

Micros bounded_deadline(Micros now, Micros wait) noexcept {
  return now + std::clamp(wait, Micros{0}, kLongestWait);
}

RateLimits read_rate_limits(std::span<const HeaderField> headers, Micros now) noexcept {
  Windows windows;
  std::optional<Micros> retry_after;
  std::optional<Micros> retry_after_ms;
  for (const HeaderField& header : headers) {
    const std::string_view name = trimmed(header.name);
    if (equal_ignoring_case(name, "retry-after")) {
      if (const auto at = parse_retry_after(header.value, now)) retry_after = at;
    } else if (equal_ignoring_case(name, "retry-after-ms")) {
      if (const auto at = parse_retry_after_ms(header.value, now)) retry_after_ms = at;
    } else {
      for (const Meaning& meaning : kMeanings) {
        if (!equal_ignoring_case(name, meaning.name)) continue;
        take(windows[meaning.window], meaning.part, header.value, now);
        break;
      }
    }
  }
  const Window requests = tightest(windows, {kRequests, kAnthropicRequests});
  const Window tokens =
      tightest(windows, {kTokens, kAnthropicTokens, kAnthropicInputTokens, kAnthropicOutputTokens});
  return RateLimits{.limit_requests = requests.limit,
                    .remaining_requests = requests.remaining,
                    .limit_tokens = tokens.limit,
                    .remaining_tokens = tokens.remaining,
                    .reset_requests_at = requests.reset_at,
                    .reset_tokens_at = tokens.reset_at,
                    .retry_at = retry_after_ms ? retry_after_ms : retry_after};
}

std::optional<Micros> reset_of_tightest(const RateLimits& limits) noexcept {
  const auto& requests = limits.reset_requests_at;
  const auto& tokens = limits.reset_tokens_at;
  if (!requests || !tokens) return requests ? requests : tokens;
  const double requests_left = share_left(limits.limit_requests, limits.remaining_requests);
  const double tokens_left = share_left(limits.limit_tokens, limits.remaining_tokens);
  if (requests_left == tokens_left) return std::max(*requests, *tokens);
  return requests_left < tokens_left ? requests : tokens;
}

}  // namespace keypool::core
