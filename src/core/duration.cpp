#include "core/duration.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

struct Unit {
  std::string_view suffix;
  Micros length;
};

// A suffix stands before those it begins with, so that the first match is the right one.
constexpr std::array<Unit, 6> kUnits = {
    {{"ms", kMillisecond}, {"us", 1}, {"s", kSecond}, {"m", kMinute}, {"h", kHour}, {"d", kDay}}};

// Eats a text from the left; what does not match is left where it is.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(trimmed(text)) {}

  bool done() const noexcept { return rest_.empty(); }

  bool take(std::string_view expected) noexcept {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }

  std::string_view take_digits() noexcept { return take_while(is_digit); }
  std::string_view take_letters() noexcept { return take_while(is_letter); }

  // A number of exactly this many digits (at most 9).
  std::optional<int> take_number(std::size_t digits) noexcept {
    if (rest_.size() < digits) return std::nullopt;
    int number = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return std::nullopt;
      number = number * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return number;
  }

 private:
  template <typename Predicate>
  std::string_view take_while(Predicate wanted) noexcept {
    std::size_t length = 0;
    while (length < rest_.size() && wanted(rest_[length])) ++length;
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::string_view rest_;
};

// `whole`.`fraction` units, or nullopt when that does not fit.
std::optional<Micros> scaled(std::string_view whole, std::string_view fraction,
                             Micros unit) noexcept {
  Micros value = 0;
  for (const char digit : whole) {
    if (__builtin_mul_overflow(value, Micros{10}, &value) ||
        __builtin_add_overflow(value, Micros{digit - '0'}, &value)) {
      return std::nullopt;
    }
  }
  if (__builtin_mul_overflow(value, unit, &value)) return std::nullopt;
  // Six digits reach a microsecond of a second; of longer units the rest is below a tenth.
  Micros numerator = 0;
  Micros denominator = 1;
  for (const char digit : fraction.substr(0, 6)) {
    numerator = numerator * 10 + (digit - '0');
    denominator *= 10;
  }
  if (__builtin_add_overflow(value, numerator * unit / denominator, &value)) return std::nullopt;
  return value;
}

struct Moment {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

std::optional<Micros> to_micros(const Moment& m) noexcept {
  using std::chrono::day, std::chrono::month, std::chrono::year;
  const std::chrono::year_month_day date{year{m.year}, month{static_cast<unsigned>(m.month)},
                                         day{static_cast<unsigned>(m.day)}};
  if (!date.ok() || m.year < 1 || m.hour > 23 || m.minute > 59 || m.second > 60) {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return kUnixEpoch + days * kDay + m.hour * kHour + m.minute * kMinute + m.second * kSecond;
}

bool take_clock(Scanner& in, Moment& m) noexcept {
  const auto hour = in.take_number(2);
  if (!hour || !in.take(":")) return false;
  const auto minute = in.take_number(2);
  if (!minute || !in.take(":")) return false;
  const auto second = in.take_number(2);
  if (!second) return false;
  m.hour = *hour;
  m.minute = *minute;
  m.second = *second;
  return true;
}

bool take_month_name(Scanner& in, Moment& m) noexcept {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (!in.take(kMonths[i])) continue;
    m.month = static_cast<int>(i) + 1;
    return true;
  }
  return false;
}

// "Nov  6 08:49:37 1994", after the weekday.
bool take_asctime(Scanner& in, Moment& m) noexcept {
  if (!take_month_name(in, m) || !in.take(" ")) return false;
  const auto day = in.take(" ") ? in.take_number(1) : in.take_number(2);
  if (!day || !in.take(" ") || !take_clock(in, m) || !in.take(" ")) return false;
  const auto year = in.take_number(4);
  if (!year) return false;
  m.day = *day;
  m.year = *year;
  return true;
}

// "06 Nov 1994 08:49:37 GMT" or "06-Nov-94 08:49:37 GMT", after the weekday and its comma.
bool take_imf_or_rfc850(Scanner& in, Moment& m) noexcept {
  const auto day = in.take_number(2);
  if (!day) return false;
  const bool two_digit_year = in.take("-");
  if (!two_digit_year && !in.take(" ")) return false;
  if (!take_month_name(in, m) || !in.take(two_digit_year ? "-" : " ")) return false;
  const auto year = in.take_number(two_digit_year ? 2 : 4);
  if (!year || !in.take(" ") || !take_clock(in, m) || !in.take(" GMT")) return false;
  m.day = *day;
  m.year = two_digit_year ? *year + (*year < 70 ? 2000 : 1900) : *year;
  return true;
}

// "Z" or "+01:00": how far the local clock is ahead of UTC.
std::optional<Micros> take_offset(Scanner& in) noexcept {
  if (in.take("Z") || in.take("z")) return 0;
  const bool behind = in.take("-");
  if (!behind && !in.take("+")) return std::nullopt;
  const auto hours = in.take_number(2);
  if (!hours || !in.take(":")) return std::nullopt;
  const auto minutes = in.take_number(2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const Micros offset = *hours * kHour + *minutes * kMinute;
  return behind ? -offset : offset;
}

}  // namespace

std::optional<Micros> parse_duration(std::string_view text) noexcept {
  Scanner in(text);
  Micros total = 0;
  bool first = true;
  do {
    const std::string_view whole = in.take_digits();
    const std::string_view fraction = in.take(".") ? in.take_digits() : std::string_view{};
    if (whole.empty() && fraction.empty()) return std::nullopt;
    const bool plain_seconds = first && in.done();
    Micros unit = plain_seconds ? kSecond : 0;
    for (std::size_t i = 0; unit == 0 && i < kUnits.size(); ++i) {
      if (in.take(kUnits[i].suffix)) unit = kUnits[i].length;
    }
    if (unit == 0) return std::nullopt;
    const auto part = scaled(whole, fraction, unit);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
    first = false;
  } while (!in.done());
  return total;
}

std::optional<Micros> parse_rfc3339(std::string_view text) noexcept {
  Scanner in(text);
  Moment m;
  const auto year = in.take_number(4);
  if (!year || !in.take("-")) return std::nullopt;
  const auto month = in.take_number(2);
  if (!month || !in.take("-")) return std::nullopt;
  const auto day = in.take_number(2);
  if (!day || !(in.take("T") || in.take("t") || in.take(" "))) return std::nullopt;
  m.year = *year;
  m.month = *month;
  m.day = *day;
  if (!take_clock(in, m)) return std::nullopt;
  std::string_view fraction;
  if (in.take(".")) {
    fraction = in.take_digits();
    if (fraction.empty()) return std::nullopt;
  }
  const auto offset = take_offset(in);
  const auto whole = to_micros(m);
  if (!offset || !whole || !in.done()) return std::nullopt;
  return *whole - *offset + scaled("", fraction, kSecond).value_or(0);
}

std::optional<Micros> parse_http_date(std::string_view text) noexcept {
  Scanner in(text);
  Moment m;
  if (in.take_letters().empty()) return std::nullopt;
  const bool understood =
      in.take(", ") ? take_imf_or_rfc850(in, m) : in.take(" ") && take_asctime(in, m);
  if (!understood || !in.done()) return std::nullopt;
  return to_micros(m);
}

}  // namespace keypool::core
