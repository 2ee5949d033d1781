#include "pg/money.hpp"

#include <cstring>
#include <optional>
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

// The short form in which numeric.c stores amounts: a header of sign, scale and weight, and digits
// of base 10,000, the first of which stands for 10,000 to the weight. Tables and dumps of pages
// hold it so, so no release can change it.
constexpr std::uint16_t kShortMask = 0xC000;
constexpr std::uint16_t kShort = 0x8000;
constexpr std::uint16_t kShortMinus = 0x2000;
constexpr std::uint16_t kWeightMinus = 0x0040;
constexpr std::uint16_t kWeightMask = 0x003F;
constexpr std::int64_t kDigitBase = 10'000;

// What a digit of weight 1, 0, -1, -2 is worth in nano-dollars.
constexpr std::int64_t kDigitNanos[] = {10'000'000'000'000, 1'000'000'000, 100'000, 10};

// Ordinary amounts, some thirty times as fast as by way of text: below 100 million dollars, and
// whole numbers of nano-dollars. Nothing for all others.
std::optional<std::int64_t> ordinary_nanos(std::string_view stored) {
  std::uint16_t header = 0;
  if (stored.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, stored.data(), sizeof header);
  if ((header & kShortMask) != kShort) return std::nullopt;
  int weight = header & kWeightMask;
  if ((header & kWeightMinus) != 0) weight -= kWeightMask + 1;
  std::int64_t nanos = 0;
  for (std::size_t at = sizeof header; at + sizeof(std::int16_t) <= stored.size(); --weight) {
    std::int16_t digit = 0;
    std::memcpy(&digit, stored.data() + at, sizeof digit);
    at += sizeof digit;
    if (weight > 1 || weight < -3) return std::nullopt;
    if (weight == -3) {
      if (digit % (kDigitBase / 10) != 0) return std::nullopt;
      nanos += digit / (kDigitBase / 10);
    } else {
      nanos += digit * kDigitNanos[1 - weight];
    }
  }
  return (header & kShortMinus) != 0 ? -nanos : nanos;
}

}  // namespace

std::int64_t nanos_from_numeric(Datum numeric) {
  const auto* value = reinterpret_cast<const struct varlena*>(DatumGetPointer(numeric));
  if (!VARATT_IS_COMPRESSED(value) && !VARATT_IS_EXTERNAL(value)) {
    const std::string_view stored = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
    if (const auto nanos = ordinary_nanos(stored)) return *nanos;
  }
  return parse_nanos(
      call([=] { return DatumGetCString(DirectFunctionCall1(numeric_out, numeric)); }));
}

Datum numeric_from_nanos(std::int64_t nanos) {
  const Numeric exact = int64_div_fast_to_numeric(nanos, kNanoDigits);
  return DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(exact));
}

}  // namespace keypool::pg
