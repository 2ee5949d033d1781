#include "core/limits_text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace keypool::core {

namespace {

constexpr std::string_view kHourName = "hour";
constexpr std::string_view kMinuteName = "minute";
constexpr std::string_view kTokens = "tokens";
constexpr std::string_view kToldRequests = "told_requests";
constexpr std::string_view kToldTokens = "told_tokens";

void add_name(std::string& text, std::string_view name) {
  if (!text.empty()) text += ' ';
  text.append(name) += '=';
}

// Everything before the separator, or all that is left; `text` goes on behind it.
std::string_view take_until(std::string_view& text, char separator) noexcept {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

template <typename Number>
std::optional<Number> take_number(std::string_view& text, char separator) noexcept {
  const std::string_view part = take_until(text, separator);
  Number number = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
  if (error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
  return number;
}

}  // namespace

LimitCounts limit_counts(const Slot& slot) noexcept {
  return {slot.config.limits, slot.hour, slot.minute, slot.tokens_minute, slot.told};
}

std::string LimitsText::write(LimitCounts counts, Micros now) {
  std::string text;
  if (counts.limits.requests_per_hour != 0) add(text, kHourName, counts.hour, now);
  if (counts.limits.requests_per_minute != 0) add(text, kMinuteName, counts.minute, now);
  if (counts.limits.tokens_per_minute != 0) add(text, kTokens, counts.tokens_minute, now);
  add(text, kToldRequests, counts.told.requests, now);
  add(text, kToldTokens, counts.told.tokens, now);
  return text;
}

void LimitsText::read(std::string_view text, Slot& slot) noexcept {
  while (!text.empty()) {
    std::string_view value = take_until(text, ' ');
    const std::string_view name = take_until(value, '=');
    if (name == kHourName) read_into(slot.hour, value);
    if (name == kMinuteName) read_into(slot.minute, value);
    if (name == kTokens) read_into(slot.tokens_minute, value);
    if (name == kToldRequests) read_into(slot.told.requests, value);
    if (name == kToldTokens) read_into(slot.told.tokens, value);
  }
}

template <typename Counting>
void LimitsText::add(std::string& text, std::string_view name, Counting& window, Micros now) {
  std::uint32_t left = window.count(now);
  if (left == 0) return;
  add_name(text, name);
  text += std::to_string(window.newest_);
  char separator = ':';
  for (auto bucket = window.newest_; left != 0; --bucket) {
    const std::uint32_t count = window.at(bucket);
    (text += separator) += std::to_string(count);
    separator = ',';
    left -= count;
  }
}

void LimitsText::add(std::string& text, std::string_view name, ToldLimit& told, Micros now) {
  if (told.left(now) == ToldLimit::kUntold) return;
  add_name(text, name);
  for (const ToldLimit::Word& word : {told.first_, told.last_}) {
    if (word.until == 0) continue;
    if (text.back() != '=') text += ',';
    (text += std::to_string(word.left) + "@") += std::to_string(word.until);
  }
}

template <typename Counting>
void LimitsText::read_into(Counting& window, std::string_view text) noexcept {
  using Bucket = decltype(window.newest_);
  const auto newest = take_number<Bucket>(text, ':');
  if (!newest) return;
  constexpr auto kMost = static_cast<Bucket>(Counting::kMostBucket);
  window = {};
  window.newest_ = std::clamp(*newest, static_cast<Bucket>(-kMost), kMost);
  for (int age = 0; age < Counting::kBuckets && !text.empty(); ++age) {
    const auto count = take_number<std::uint32_t>(text, ',');
    if (!count) return;
    const std::uint32_t added =
        std::min(*count, std::numeric_limits<std::uint32_t>::max() - window.total_);
    window.at(window.newest_ - age) = added;
    window.total_ += added;
  }
}

void LimitsText::read_into(ToldLimit& told, std::string_view text) noexcept {
  while (!text.empty()) {
    std::string_view word = take_until(text, ',');
    const auto left = take_number<std::uint32_t>(word, '@');
    const auto until = take_number<std::uint32_t>(word, '@');
    if (left && until) told.tell({*until, *left});
  }
}

}  // namespace keypool::core
