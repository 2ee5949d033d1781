#include "core/amount.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <system_error>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kMostText = 64;
// "1e1000000" would be a numeric of a megabyte.
constexpr int kMostExponent = 30;
constexpr int kMostDigits = 18;  // of a result
constexpr std::int64_t kLimit = 1'000'000'000'000'000'000;

// The digits without the point, and the power of ten that the last of them stands for.
struct Decimal {
  std::array<char, kMostText> digits;
  int count = 0;
  int power = 0;
};

void take_digits(std::string_view& text, Decimal& decimal) noexcept {
  while (!text.empty() && is_digit(text.front())) {
    decimal.digits[decimal.count++] = text.front();
    text.remove_prefix(1);
  }
}

std::optional<Decimal> parse(std::string_view text) noexcept {
  if (text.size() > kMostText) return std::nullopt;
  Decimal decimal;
  take_digits(text, decimal);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const int whole = decimal.count;
    take_digits(text, decimal);
    decimal.power = whole - decimal.count;
  }
  if (decimal.count == 0) return std::nullopt;
  if (text.empty()) return decimal;
  if (lower(text.front()) != 'e') return std::nullopt;
  text.remove_prefix(1);
  if (text.size() > 1 && text[0] == '+' && is_digit(text[1])) text.remove_prefix(1);
  int exponent = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, exponent);
  if (error != std::errc{} || stop != end || std::abs(exponent) > kMostExponent) {
    return std::nullopt;
  }
  decimal.power += exponent;
  return decimal;
}

}  // namespace

bool is_amount(std::string_view text) noexcept { return parse(text).has_value(); }

std::optional<std::int64_t> scaled_amount(std::string_view text, int scale) noexcept {
  const auto decimal = parse(text);
  if (!decimal) return std::nullopt;
  int first = 0;
  while (first < decimal->count && decimal->digits[first] == '0') ++first;
  if (first == decimal->count) return 0;
  // Digits up to `end` count, those behind it are rounded away; zeros fill up to it.
  const int end = decimal->count + decimal->power + scale;
  if (end - first > kMostDigits) return std::nullopt;
  std::int64_t result = 0;
  for (int i = first; i < end; ++i) {
    result = result * 10 + (i < decimal->count ? decimal->digits[i] - '0' : 0);
  }
  if (end >= 0 && end < decimal->count && decimal->digits[end] >= '5') ++result;
  if (result >= kLimit) return std::nullopt;
  return result;
}

}  // namespace keypool::core
