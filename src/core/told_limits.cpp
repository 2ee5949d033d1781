#include "core/told_limits.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace keypool::core {

namespace {

constexpr double kWhole = 255;

std::uint32_t second_after(Micros moment) noexcept {
  const Micros bounded = std::clamp<Micros>(moment, 0, kNever - kSecond);
  return static_cast<std::uint32_t>(std::min<Micros>((bounded + kSecond - 1) / kSecond,
                                                     std::numeric_limits<std::uint32_t>::max()));
}

Micros moment_of(std::uint32_t second) noexcept { return second * kSecond; }

std::uint8_t share_used(std::int64_t limit, std::int64_t left) noexcept {
  const double used = 1 - static_cast<double>(left) / static_cast<double>(limit);
  return static_cast<std::uint8_t>(std::ceil(std::clamp(used, 0.0, 1.0) * kWhole));
}

void tell_kind(Micros now, ToldLimit& kind, std::uint8_t& used, std::optional<std::int64_t> limit,
               std::optional<std::int64_t> left, std::optional<Micros> until) noexcept {
  if (!left || !until) return;
  kind.tell(now, *left, *until);
  if (limit && *limit > 0) used = share_used(*limit, *left);
}

}  // namespace

void ToldLimit::tell(Micros now, std::int64_t left, Micros until) noexcept {
  forget_what_is_over(now);
  if (until <= now) return;
  tell({second_after(std::min(until, now + kLongestWait)),
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, kUntold))});
}

void ToldLimit::tell(Micros now, ToldLimit other) noexcept {
  forget_what_is_over(now);
  other.forget_what_is_over(now);
  merge(other);
}

void ToldLimit::merge(const ToldLimit& other) noexcept {
  tell(other.first_);
  tell(other.last_);
}

// Keeps words that each say something: in the order of their ends, more is left after each.
void ToldLimit::tell(const Word& word) noexcept {
  std::array<Word, 3> words = {first_, last_, word};
  std::sort(words.begin(), words.end(), [](const Word& a, const Word& b) {
    return a.until != b.until ? a.until < b.until : a.left > b.left;
  });
  std::array<Word, 3> kept = {};  // from the last one back
  std::size_t count = 0;
  for (std::size_t i = words.size(); i-- > 0;) {
    if (words[i].until == 0) continue;
    if (count == 0 || words[i].left < kept[count - 1].left) kept[count++] = words[i];
  }
  if (count == 3) {
    // The less of two until the end of both: of the two pairs, where that takes least away.
    const auto taken = [](const Word& later, const Word& sooner) {
      return std::uint64_t{later.until - sooner.until} * (later.left - sooner.left);
    };
    if (taken(kept[0], kept[1]) <= taken(kept[1], kept[2])) {
      kept = {Word{kept[0].until, kept[1].left}, kept[2]};
    } else {
      kept = {kept[0], Word{kept[1].until, kept[2].left}};
    }
  }
  last_ = kept[0];
  first_ = kept[1];
}

void ToldLimit::take(Micros now, std::uint64_t amount) noexcept {
  forget_what_is_over(now);
  if (last_.until == 0) return;
  for (Word* word : {&first_, &last_}) {
    word->left -= static_cast<std::uint32_t>(std::min<std::uint64_t>(word->left, amount));
  }
  if (first_.left >= last_.left) first_ = {};
}

std::uint32_t ToldLimit::least(Micros now) noexcept {
  forget_what_is_over(now);
  if (last_.until == 0) return kUntold;
  return first_.until != 0 ? first_.left : last_.left;
}

Micros ToldLimit::allows_at(Micros now, std::uint32_t wanted) noexcept {
  if (left(now) >= wanted) return now;
  return moment_of(last_.left < wanted ? last_.until : first_.until);
}

Micros ToldLimit::next_end(Micros now) noexcept {
  forget_what_is_over(now);
  if (last_.until == 0) return kNever;
  return moment_of(first_.until != 0 ? first_.until : last_.until);
}

// No word holds for longer than the longest wait, even if the clock was set back meanwhile.
void ToldLimit::forget_what_is_over(Micros now) noexcept {
  if (last_.until == 0) return;
  last_.until = std::min(last_.until, second_after(now + kLongestWait));
  if (moment_of(last_.until) <= now) last_ = {};
  if (first_.until >= last_.until) last_.left = std::min(last_.left, first_.left);
  if (moment_of(first_.until) <= now || first_.until >= last_.until) first_ = {};
}

void ToldLimits::tell(Micros now, const RateLimits& limits) noexcept {
  tell_kind(now, requests, requests_used, limits.limit_requests, limits.remaining_requests,
            limits.reset_requests_at);
  tell_kind(now, tokens, tokens_used, limits.limit_tokens, limits.remaining_tokens,
            limits.reset_tokens_at);
}

void ToldLimits::tell(Micros now, const ToldLimits& other) noexcept {
  requests.tell(now, other.requests);
  tokens.tell(now, other.tokens);
  take_shares(other);
}

void ToldLimits::merge(const ToldLimits& other) noexcept {
  requests.merge(other.requests);
  tokens.merge(other.tokens);
  take_shares(other);
}

void ToldLimits::take_shares(const ToldLimits& other) noexcept {
  if (other.requests_used != 0) requests_used = other.requests_used;
  if (other.tokens_used != 0) tokens_used = other.tokens_used;
}

double ToldLimits::share_used(Micros now) noexcept {
  if (requests.next_end(now) == kNever) requests_used = 0;
  if (tokens.next_end(now) == kNever) tokens_used = 0;
  return std::max(requests_used, tokens_used) / kWhole;
}

}  // namespace keypool::core
