// Datum to plain C++ value and back, one trait for arguments, columns, parameters and results.
//
//   from_datum<T>(datum)  unpack; may throw PgError or core::Error; views point into the datum, or
//                         into a detoasted copy in CurrentMemoryContext
//   SqlType<T>::to(value) pack; a Postgres call: only inside pg::call
//   to_datum(value)       the same, guarded
//
// Types: std::string_view, std::string and const char* (text), std::int32_t (int4), std::int64_t
// (int8), double, bool, Oid, Nanos (numeric), Duration (interval), Instant (timestamptz), Day
// (date), Json (jsonb), Bytes (bytea), std::vector of std::string_view (text[]) and of std::int64_t
// (int8[]), and std::optional of any of these where SQL NULL is allowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

// Dollars, as a whole number of nano-dollars. From numeric it is rounded to the nearest (half away
// from zero), as a numeric column of scale 9 would; 22023 outside of ±9.2 billion dollars.
struct Nanos {
  std::int64_t value;
};
// From an interval: a month counts 30 days, a day 24 hours. 22023 when out of range or infinite.
struct Duration {
  core::Micros value;
};
// 'infinity' is core::kNever.
struct Instant {
  core::Micros value;
};
// Days since 2000-01-01, as Postgres counts a date.
struct Day {
  std::int32_t value;
};
struct Json {
  std::string_view text;
};
struct Bytes {
  std::span<const std::byte> data;
};

template <typename T>
struct SqlType;

// Defines the conversions between one C++ type and one SQL type; bodies are in datum.cpp.
#define KEYPOOL_SQL_TYPE(cpp_type, type_oid) \
  template <>                                \
  struct SqlType<cpp_type> {                 \
    static constexpr Oid kOid = type_oid;    \
    static cpp_type from(Datum datum);       \
    static Datum to(const cpp_type& value);  \
  }

KEYPOOL_SQL_TYPE(std::string_view, TEXTOID);
KEYPOOL_SQL_TYPE(std::string, TEXTOID);
KEYPOOL_SQL_TYPE(std::int32_t, INT4OID);
KEYPOOL_SQL_TYPE(std::int64_t, INT8OID);
KEYPOOL_SQL_TYPE(double, FLOAT8OID);
KEYPOOL_SQL_TYPE(bool, BOOLOID);
KEYPOOL_SQL_TYPE(Oid, OIDOID);
KEYPOOL_SQL_TYPE(Nanos, NUMERICOID);
KEYPOOL_SQL_TYPE(Duration, INTERVALOID);
KEYPOOL_SQL_TYPE(Instant, TIMESTAMPTZOID);
KEYPOOL_SQL_TYPE(Day, DATEOID);
KEYPOOL_SQL_TYPE(Json, JSONBOID);
KEYPOOL_SQL_TYPE(Bytes, BYTEAOID);
KEYPOOL_SQL_TYPE(std::vector<std::string_view>, TEXTARRAYOID);
KEYPOOL_SQL_TYPE(std::vector<std::int64_t>, INT8ARRAYOID);

#undef KEYPOOL_SQL_TYPE

// String literals are text.
template <>
struct SqlType<const char*> {
  static constexpr Oid kOid = TEXTOID;
  static Datum to(const char* value) { return CStringGetTextDatum(value); }
};

template <typename T>
struct SqlType<std::optional<T>> : SqlType<T> {};

template <typename T>
T from_datum(Datum datum) {
  return SqlType<T>::from(datum);
}

template <typename T>
Datum to_datum(const T& value) {
  return call([&] { return SqlType<T>::to(value); });
}

// A text of a known size whose bytes are written in place: for what shall not be copied about.
class NewText {
 public:
  explicit NewText(std::size_t size)
      : text_(call([size] { return static_cast<text*>(palloc(VARHDRSZ + size)); })), size_(size) {
    SET_VARSIZE(text_, VARHDRSZ + size);
  }
  std::span<std::byte> bytes() const noexcept {
    return {reinterpret_cast<std::byte*>(VARDATA(text_)), size_};
  }
  Datum datum() const noexcept { return PointerGetDatum(text_); }

 private:
  text* text_;
  std::size_t size_;
};

// A value on its way into a tuple or a parameter list.
struct NullableValue {
  Datum datum;
  bool is_null;
};

// Inside pg::call: packs a value, or NULL for an empty optional.
template <typename T>
NullableValue pack(const T& value) {
  return {SqlType<T>::to(value), false};
}
template <std::size_t kSize>
NullableValue pack(const char (&literal)[kSize]) {
  return {CStringGetTextDatum(literal), false};
}
template <typename T>
NullableValue pack(const std::optional<T>& value) {
  if (!value.has_value()) return {Datum{0}, true};
  return {SqlType<T>::to(*value), false};
}

// A text, bytea or other varlena without its header; detoasts only when it must.
std::string_view varlena_view(Datum datum);

}  // namespace keypool::pg
