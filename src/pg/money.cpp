#include "pg/money.hpp"

#include <string_view>

#include "core/error.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

constexpr int kNanoDigits = 9;

[[noreturn]] void out_of_range() {
  throw core::Error(core::ErrorCode::kInvalidArgument, "amount of dollars out of range", {},
                    "Amounts must be finite and below 9.2 billion dollars.");
}

// Counts down, so that the most negative number is reached without overflow.
void append_digit(std::int64_t& negative, char digit) {
  if (__builtin_mul_overflow(negative, 10, &negative) ||
      __builtin_sub_overflow(negative, digit - '0', &negative)) {
    out_of_range();
  }
}

// `text` is numeric_out's: an optional minus, digits, optionally a point and digits; or NaN,
// Infinity, -Infinity.
std::int64_t parse_nanos(std::string_view text) {
  const bool minus = text.starts_with('-');
  if (minus) text.remove_prefix(1);
  if (text.empty() || text.front() < '0' || text.front() > '9') out_of_range();
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view{} : text.substr(point + 1);
  std::int64_t negative = 0;
  for (char digit : whole) append_digit(negative, digit);
  for (std::size_t i = 0; i < kNanoDigits; ++i) {
    append_digit(negative, i < fraction.size() ? fraction[i] : '0');
  }
  const bool round_up = fraction.size() > kNanoDigits && fraction[kNanoDigits] >= '5';
  if (round_up && __builtin_sub_overflow(negative, 1, &negative)) out_of_range();
  if (minus) return negative;
  if (__builtin_sub_overflow(std::int64_t{0}, negative, &negative)) out_of_range();
  return negative;
}

}  // namespace

std::int64_t nanos_from_numeric(Datum numeric) {
  return parse_nanos(
      call([=] { return DatumGetCString(DirectFunctionCall1(numeric_out, numeric)); }));
}

Datum numeric_from_nanos(std::int64_t nanos) {
  const Numeric exact = int64_div_fast_to_numeric(nanos, kNanoDigits);
  return DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(exact));
}

}  // namespace keypool::pg
